"""The log of an inbox: what has happened to its notifications, in order (docs/architecture.md).

Foreign keys do nothing on delete: a user's rows go in chunks, by ``services.erase_user``, because Django's
collector would load every one of them.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.event_types import MAX_NAME_LENGTH
from notifications.models.events import Event
from notifications.models.inboxes import Inbox
from notifications.models.notifications import Notification


class ChangeKind(models.TextChoices):
    """The kinds of changes; ``notifications.change_kinds`` says what each means."""

    CREATED = "created", _("Created")
    READ = "read", _("Read")
    UNREAD = "unread", _("Unread")
    ARCHIVED = "archived", _("Archived")
    UNARCHIVED = "unarchived", _("Unarchived")
    DELETED = "deleted", _("Deleted")
    READ_ALL = "read_all", _("All read")


class Reason(models.TextChoices):
    """Why a notification was deleted; the closed list of the protocol."""

    USER = "user", _("By the user")
    REPLACED = "replaced", _("Replaced by a newer one")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    EXPIRED = "expired", _("Expired")
    RETENTION = "retention", _("Retention period over")
    ERASED = "erased", _("Erased")
    STAFF = "staff", _("By staff")


class Via(models.TextChoices):
    """The door by which a change came in."""

    PAGE = "page", _("Page")
    API = "api", _("API")
    ADMIN = "admin", _("Admin")
    PRODUCER = "producer", _("Producer")
    SYSTEM = "system", _("System")


class Change(models.Model):
    """One entry of an inbox's log. Immutable.

    The frame of a change is a function of the change and its event alone.
    """

    inbox = models.ForeignKey(
        Inbox,
        on_delete=models.DO_NOTHING,
        related_name="changes",
        db_index=False,
        verbose_name=_("inbox"),
    )
    position = models.BigIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=16, choices=ChangeKind)
    at = models.DateTimeField(_("at"))
    unread_count = models.BigIntegerField(_("unread after it"))
    notification = models.ForeignKey(
        Notification,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="changes",
        db_index=False,
        verbose_name=_("notification"),
    )
    event = models.ForeignKey(
        Event,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        verbose_name=_("event"),
    )
    # Those of the notification's created change, so that each frame carries the whole object.
    created_position = models.BigIntegerField(_("created position"), null=True)
    created_at = models.DateTimeField(_("created at"), null=True)
    # The notification's state after this change: all of ``notification_states.State``.
    read_at = models.DateTimeField(_("read at"), null=True)
    archived_at = models.DateTimeField(_("archived at"), null=True)
    up_to = models.BigIntegerField(_("up to"), null=True, help_text=_("All read: up to this position."))
    read_category = models.CharField(
        _("read category"),
        max_length=MAX_NAME_LENGTH,
        default="",
        db_default="",
        help_text=_("All read: of this category alone; empty for all categories."),
    )
    reason = models.CharField(
        _("reason"), max_length=9, choices=Reason, default="", db_default="", blank=True
    )
    by = models.CharField(_("by"), max_length=254, default="", db_default="", blank=True)
    via = models.CharField(_("via"), max_length=8, choices=Via, default=Via.SYSTEM, db_default=Via.SYSTEM)
    address = models.GenericIPAddressField(_("address"), null=True, blank=True)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                # compacted backlogs: whether a later one follows; and the foreign key's own look
                name="change_superseded",
                fields=["notification", "position"],
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="change_log", fields=["inbox", "position"]),  # the log, in order
        ]

    def __str__(self) -> str:
        return f"{self.inbox_id}@{self.position} {self.kind}"
