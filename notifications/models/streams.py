"""Stream records: a row for each serving process, and one for each stream.

They prove what was delivered to which device. Neither row refers to a worker or a token by a constraint: a
stream must not wait for them, nor fail because they are gone.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from notifications.http.user_agents import MAX_AGENT_LENGTH
from notifications.models.columns import new_public_id
from notifications.models.tokens import ApiToken


class EndReason(models.TextChoices):
    """Why a stream ended: the reasons of ``stream.close``, and those that nobody could be told.

    ``streaming.frames`` owns the former, and all of them are here, so that whatever closes a stream can be
    put on record.
    """

    CLIENT = "client", _("Closed by the client")
    BACKLOG = "backlog", _("Backlog only, as requested")
    ROTATE = "rotate", _("Renewed by the server")
    SHUTDOWN = "shutdown", _("Server process stopped")
    REVOKED = "revoked", _("Access ended")
    SLOW = "slow", _("Client too slow")
    REPLACED = "replaced", _("Replaced by a newer stream of the same client")
    LIMIT = "limit", _("Too many streams")
    ERROR = "error", _("Error")
    LOST = "lost", _("Server process lost")
    ANSWERED = "answered", _("Poll, answered")
    LISTED = "listed", _("List, answered")


class OpenedBy(models.TextChoices):
    """The kind of credential that opened a stream."""

    SESSION = "session", _("Session")
    TOKEN = "token", _("API token")
    TICKET = "ticket", _("Ticket")


class Worker(models.Model):
    """One serving process. All its times are the database's."""

    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveBigIntegerField(_("process id"))
    # Identifies it among all processes (``notifications.system.processes``), so that another process of the
    # same machine can find out that it is dead.
    process = models.CharField(_("process"), max_length=100, default="", db_default="", editable=False)
    started_at = models.DateTimeField(_("started at"), db_default=Now(), editable=False)
    # The last sign of life. How far its streams had come is on record as of then.
    seen_at = models.DateTimeField(_("seen at"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class StreamSession(models.Model):
    """One stream.

    It takes one of its user's slots from ``opened_at`` to ``closed_at``, as long as its worker shows signs of
    life. Every change of the log after ``start_position`` and up to ``position`` that its filters admit was
    written to it. An answered poll is on record as a stream that began and ended at the same time, and took
    no slot. The primary key is the ``stream`` of ``stream.open``, and ascends with time.
    """

    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        related_name="stream_sessions",
        db_index=False,
        verbose_name=_("user"),
    )
    worker = models.ForeignKey(
        Worker,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="stream_sessions",
        db_constraint=False,
        db_index=False,
        verbose_name=_("worker"),
    )
    client = models.UUIDField(
        _("client"),
        null=True,
        blank=True,
        help_text=_("The name that the browser tab or device gave itself."),
    )
    agent = models.CharField(_("agent"), max_length=MAX_AGENT_LENGTH, blank=True, default="", db_default="")
    address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    opened_by = models.CharField(_("opened by"), max_length=7, choices=OpenedBy, default=OpenedBy.SESSION)
    token = models.ForeignKey(
        ApiToken,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("API token"),
    )
    session_digest = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("Tells which session opened it, and is worth nothing to whoever reads it."),
    )
    filters = models.TextField(_("filters"), blank=True, default="", db_default="")
    resume = models.CharField(_("resume"), max_length=9)
    epoch = models.CharField(_("epoch"), max_length=8)
    start_position = models.BigIntegerField(_("start position"))
    position = models.BigIntegerField(
        _("position"), help_text=_("Everything up to this position was written, as of a few seconds ago.")
    )
    opened_at = models.DateTimeField(_("opened at"), db_default=Now(), editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    reason = models.CharField(
        _("reason"), max_length=8, choices=EndReason, blank=True, default="", db_default=""
    )
    requested_end = models.CharField(
        _("requested end"),
        max_length=8,
        choices=EndReason,
        blank=True,
        default="",
        db_default="",
        help_text=_("The reason for which somebody else ended it, until its process has done so."),
    )

    OPEN: ClassVar[Q] = Q(closed_at__isnull=True)

    class Meta:
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        default_permissions = ("view",)
        permissions = (("end_streamsession", "Can disconnect streams"),)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="stream_slots",  # a new stream: which others its user has open
                fields=["user"],
                condition=Q(closed_at__isnull=True),
            ),
            models.Index(
                name="stream_of_user",  # the admin and the erasing of a user: all of one user's, in order
                fields=["user", "id"],
            ),
            models.Index(
                name="stream_of_worker",  # a lost process: what it had open
                fields=["worker"],
                condition=Q(closed_at__isnull=True),
            ),
            models.Index(
                name="stream_requested_end",  # each look of a process: which of its streams others have ended
                fields=["worker"],
                condition=~Q(requested_end=""),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
