"""Replays: notifications that staff show again, deliver again, or copy to other users.

Each is a job of its own, and the record of who did it and why.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from notifications.models.jobs import Job
from notifications.models.notifications import Notification

MAX_REASON_LENGTH = 500
MAX_USERNAME_LENGTH = 254


class ReplayVerb(models.TextChoices):
    """What a replay does with each notification."""

    SHOW = "show", _("Show again")
    REDELIVER = "redeliver", _("Re-deliver")
    COPY = "copy", _("Copy")


class Replay(Job):
    """One verb for some notifications.

    The notifications are those named in ``ids``, or all that ``filters`` admit, up to ``until_id``. They are
    taken in the order of their keys. ``last_id`` is written by the transaction that replays the
    notifications up to there. What was staged after ``until_id`` is left out: a replay never takes what it
    has made itself.
    """

    verb = models.CharField(_("verb"), max_length=9, choices=ReplayVerb)
    reason = models.CharField(_("reason"), max_length=MAX_REASON_LENGTH)
    by = models.CharField(_("by"), max_length=MAX_USERNAME_LENGTH)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("owner"),
        help_text=_("Who requested it. The replay ends when they lose the permission to replay."),
    )
    address = models.GenericIPAddressField(_("address"), null=True)
    ids = models.JSONField(_("ids"), default=list)
    filters = models.JSONField(_("filters"), default=dict)
    copy_to = models.JSONField(_("copied to"), default=list, help_text=_("Primary keys of users, as text."))
    until_id = models.BigIntegerField(_("up to the key"))
    last_id = models.BigIntegerField(_("last key"), default=0, db_default=0)
    is_estimate = models.BooleanField(_("the total is an estimate"), default=False, db_default=False)
    skipped_count = models.BigIntegerField(_("skipped"), default=0, db_default=0)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        default_permissions = ()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="replay_next",  # which one has waited longest for its next chunk
                fields=["last_worked_at"],
                condition=Q(state__in=["queued", "running"]),
            ),
            models.Index(
                name="replay_owner",  # deleting a member of staff
                fields=["owner"],
                condition=Q(owner__isnull=False),
            ),
        ]

    @property
    def processed_count(self) -> int:
        """How many notifications were replayed, left out or failed."""
        return self.done_count + self.skipped_count + self.failed_count

    @property
    def is_filtered(self) -> bool:
        """Whether a filter chooses the notifications, rather than a list of ids."""
        return not self.ids


class ReplayedNotification(models.Model):
    """The record that a replay showed a notification again, delivered it again, or copied it.

    Its timeline and the copies tell from it; a filter cannot say afterwards what it admitted. It is removed
    with the notification.
    """

    # No constraints: services remove these rows together with their notifications.
    replay = models.ForeignKey(
        Replay,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("replay"),
    )
    notification = models.ForeignKey(
        Notification,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("notification"),
    )
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("replayed notification")
        verbose_name_plural = _("replayed notifications")
        default_permissions = ()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="replayed_notification",  # the admin: which replays took a notification; and removing it
                fields=["notification", "id"],
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # The admin: of which notification a copy is.
            models.UniqueConstraint(name="replayed_once", fields=["replay", "notification"]),
        ]

    def __str__(self) -> str:
        return f"{self.notification_id} by {self.replay_id}"
