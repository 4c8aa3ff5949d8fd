"""An event at one recipient: the second of the four nouns (docs/architecture.md).

Foreign keys do nothing on delete: a user's rows go in chunks, by
``services.erase_user``, because Django's collector would load every one of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifications.event_types import MAX_NAME_LENGTH
from notifications.models.columns import ReadableDateTimeField, new_public_id, staged_at
from notifications.models.events import MAX_COLLAPSE_KEY_LENGTH, MAX_TOPIC_LENGTH, Event, Level


class Notification(models.Model):
    """One event at one recipient.

    *Staged* while ``position`` is null: committed, but not yet in the log, and seen by no reader. *Listed*
    from its created change to its deleted change. The primary key is the order of staging; ``public_id`` is
    the ``id`` of the wire.
    """

    public_id = models.UUIDField(_("id"), unique=True, default=new_public_id, editable=False)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        related_name="notifications",
        db_index=False,
        verbose_name=_("recipient"),
    )
    event = models.ForeignKey(
        Event,
        on_delete=models.DO_NOTHING,
        related_name="notifications",
        db_index=False,
        verbose_name=_("event"),
    )
    deliver_at = ReadableDateTimeField(_("deliver at"), null=True, blank=True)
    collapse_key = models.CharField(
        _("collapse key"),
        max_length=MAX_COLLAPSE_KEY_LENGTH,
        blank=True,
        default="",
        db_default="",
    )
    replay_of = models.UUIDField(_("replay of"), null=True, blank=True, editable=False)
    # Which of the staff's replays made it: its changes then say who that was. No constraint, as for the
    # event's producer.
    replay = models.ForeignKey(
        "notification_hub.Replay",
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        editable=False,
        verbose_name=_("replay"),
    )

    # Copied from the event by the sequencer, so that lists and filters need no join.
    type = models.CharField(_("type"), max_length=MAX_NAME_LENGTH, default="", db_default="", editable=False)
    category = models.CharField(
        _("category"),
        max_length=MAX_NAME_LENGTH,
        default="",
        db_default="",
        editable=False,
    )
    topic = models.CharField(
        _("topic"),
        max_length=MAX_TOPIC_LENGTH,
        default="",
        db_default="",
        editable=False,
    )
    level = models.CharField(
        _("level"),
        max_length=7,
        choices=Level,
        default=Level.INFO,
        db_default=Level.INFO,
        editable=False,
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, editable=False)

    # The state, as the log last left it.
    position = models.BigIntegerField(_("position"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), null=True, editable=False)
    # One that is staged with a time is born read: its created change reads it, at the time of that change.
    read_at = models.DateTimeField(_("read at"), null=True, editable=False)
    archived_at = models.DateTimeField(_("archived at"), null=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, editable=False)
    failed_at = models.DateTimeField(_("failed at"), null=True, editable=False)
    failure = models.CharField(_("failure"), max_length=500, default="", db_default="", editable=False)

    STAGED: ClassVar[Q] = Q(position__isnull=True, failed_at__isnull=True)
    LISTED: ClassVar[Q] = Q(position__isnull=False, deleted_at__isnull=True)
    # An archived one is listed, and always read, but lists leave it out unless they are asked for those.
    UNREAD: ClassVar[Q] = LISTED & Q(read_at__isnull=True)
    IN_LIST: ClassVar[Q] = LISTED & Q(archived_at__isnull=True)
    ARCHIVED: ClassVar[Q] = LISTED & Q(archived_at__isnull=False)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        permissions = (
            # To view a notification is to see that it is there and what became of it; what it says is a right
            # of its own.
            ("view_content", "Can view the content of notifications"),
            ("replay", "Can replay notifications to users"),
            ("compose", "Can compose notifications"),
            ("erase", "Can erase the content of notifications"),
        )
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                name="notif_recipient",  # erasing a user, and the foreign key's own look: deleted rows too
                fields=["recipient", "id"],
            ),
            models.Index(
                # the admin: who was sent an event, newest first; and the foreign key's own look
                name="notif_event",
                fields=["event", "id"],
            ),
            models.Index(
                name="notif_failed",  # the admin: what could not be sequenced, newest first
                fields=["id"],
                condition=Q(failed_at__isnull=False),
            ),
            models.Index(
                # the admin: by what a notification was followed, few of which there are
                name="notif_replay_of",
                fields=["replay_of"],
                condition=Q(replay_of__isnull=False),
            ),
            models.Index(
                name="notif_staged",  # the sequencer: what an inbox has staged, in staging order
                fields=["recipient", "id"],
                condition=Q(
                    position__isnull=True,
                    failed_at__isnull=True,
                    deliver_at__isnull=True,
                ),
            ),
            models.Index(
                name="notif_due",  # the sweeper: what is scheduled, soonest first
                fields=["deliver_at", "recipient"],
                condition=Q(
                    position__isnull=True,
                    failed_at__isnull=True,
                    deliver_at__isnull=False,
                ),
            ),
            models.Index(
                name="notif_scheduled",  # the sequencer: what an inbox has scheduled
                fields=["recipient", "deliver_at"],
                condition=Q(
                    position__isnull=True,
                    failed_at__isnull=True,
                    deliver_at__isnull=False,
                ),
            ),
            models.Index(
                name="notif_unread",  # unread lists, and counts by category, from the index alone
                fields=["recipient", "position", "category"],
                condition=Q(
                    position__isnull=False,
                    deleted_at__isnull=True,
                    read_at__isnull=True,
                ),
            ),
            models.Index(
                name="notif_topic",  # lists filtered by topic
                fields=["recipient", "topic", "position"],
                condition=Q(position__isnull=False, deleted_at__isnull=True) & ~Q(topic=""),
            ),
            models.Index(
                name="notif_collapse",  # the sequencer: what a new notification replaces
                fields=["recipient", "type", "topic", "collapse_key"],
                condition=Q(position__isnull=False, deleted_at__isnull=True) & ~Q(collapse_key=""),
            ),
            models.Index(
                name="notif_expiry",  # the sweeper: what has expired, soonest first
                fields=["expires_at"],
                condition=Q(
                    position__isnull=False,
                    deleted_at__isnull=True,
                    expires_at__isnull=False,
                ),
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                name="notif_list",  # the list, newest first
                fields=["recipient", "position"],
                condition=Q(position__isnull=False, deleted_at__isnull=True, archived_at__isnull=True),
            ),
            models.UniqueConstraint(
                name="notif_archived",  # the list of what is archived, which the other need not step over
                fields=["recipient", "position"],
                condition=Q(position__isnull=False, deleted_at__isnull=True, archived_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def is_listed(self) -> bool:
        """Whether its recipient sees it in the list."""
        return self.position is not None and self.deleted_at is None

    @property
    def staged_at(self) -> datetime:
        """When it was staged; needs the event."""
        return staged_at(self.public_id, self.event.created_at)
