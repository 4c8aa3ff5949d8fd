"""The four nouns: Event, Notification, Change and Inbox (docs/architecture.md).

Foreign keys do nothing on delete: a user's rows go in chunks, by
``services.erase_user``, because Django's collector would load every one of them.
"""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

import uuid_utils.compat
from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Left, Now, StrIndex
from django.utils.translation import gettext_lazy as _

from notifications.cursors import Cursor, new_epoch
from notifications.events import MAX_NAME_LENGTH

MAX_TITLE_LENGTH = 200
MAX_BODY_LENGTH = 10_000
MAX_TOPIC_LENGTH = 100
MAX_URL_LENGTH = 2_000
MAX_ACTOR_LENGTH = 254
MAX_COLLAPSE_KEY_LENGTH = 200
MAX_SOURCE_LENGTH = 254

# As ``events.category_of``, of an event's type, in the database.
TYPES_CATEGORY: Final = Left("type", StrIndex("type", Value(".")) - 1)


def new_public_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): unique over all processes, and near in an index to its contemporaries."""
    return uuid_utils.compat.uuid7()


class Level(models.TextChoices):
    """How much attention a notification asks for."""

    INFO = "info", _("Info")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


class Event(models.Model):
    """What happened. Immutable, and stored once however many recipients it has."""

    type = models.CharField(_("type"), max_length=MAX_NAME_LENGTH)
    topic = models.CharField(_("topic"), max_length=MAX_TOPIC_LENGTH, blank=True, default="", db_default="")
    level = models.CharField(
        _("level"),
        max_length=7,
        choices=Level,
        default=Level.INFO,
        db_default=Level.INFO,
    )
    title = models.CharField(_("title"), max_length=MAX_TITLE_LENGTH)
    body = models.TextField(_("body"), blank=True, default="", db_default="")
    url = models.CharField(_("URL"), max_length=MAX_URL_LENGTH, blank=True, default="", db_default="")
    actor = models.CharField(_("actor"), max_length=MAX_ACTOR_LENGTH, blank=True, default="", db_default="")
    # Text, not a JSON column: jsonb reorders keys and rewrites numbers, and this text is spliced into frames as it is.
    data = models.TextField(_("data"), default="{}", db_default="{}")
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    source = models.CharField(
        _("source"),
        max_length=MAX_SOURCE_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text=_("Who sent it: the code, command, member of staff or token."),
    )
    # Who may withdraw it; `source` is for people, and text that a producer can have some influence on. Without a constraint:
    # it would lock the producer's row with every send, and whether that user still exists is nobody's concern.
    producer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_constraint=False,
        db_index=False,
        editable=False,
        verbose_name=_("producer"),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, editable=False)
    # From the withdrawal until the last of its notifications is gone: what the sweeper finishes.
    is_withdrawing = models.BooleanField(
        _("is being withdrawn"), default=False, db_default=False, editable=False
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes: ClassVar[list[models.Index]] = [
            # The admin walks events by the time of sending, newest first: all, or those of one kind.
            models.Index(name="event_time", fields=["created_at", "id"]),
            models.Index(name="event_type_time", fields=["type", "created_at", "id"]),
            models.Index(TYPES_CATEGORY, "created_at", "id", name="event_category_time"),
            models.Index(
                name="event_level_time",  # most are of the level info, and found by the walk over all
                fields=["level", "created_at", "id"],
                condition=~Q(level="info"),
            ),
            models.Index(
                name="event_producer",  # the admin: what one producer sent; and deleting a producer
                fields=["producer", "created_at", "id"],
                condition=Q(producer__isnull=False),
            ),
            models.Index(
                name="event_topic",  # withdrawing by topic and type
                fields=["topic", "type"],
                condition=~Q(topic=""),
            ),
            models.Index(
                name="event_withdrawing",  # the sweeper: withdrawals to finish
                fields=["id"],
                condition=Q(is_withdrawing=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type}: {self.title}"


class Notification(models.Model):
    """One event at one recipient.

    *Staged* while ``position`` is null: committed, but not yet in the log, and seen by no reader. *Listed* from its created
    change to its deleted change. The primary key is the order of staging; ``public_id`` is the ``id`` of the wire.
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
    deliver_at = models.DateTimeField(_("deliver at"), null=True, blank=True)
    collapse_key = models.CharField(
        _("collapse key"),
        max_length=MAX_COLLAPSE_KEY_LENGTH,
        blank=True,
        default="",
        db_default="",
    )
    replay_of = models.UUIDField(_("replay of"), null=True, blank=True, editable=False)
    # Which of the staff's replays made it: its changes then say who that was. No constraint, as for the event's producer.
    replay = models.ForeignKey(
        "notifications.Replay",
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
    read_at = models.DateTimeField(_("read at"), null=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, editable=False)
    failed_at = models.DateTimeField(_("failed at"), null=True, editable=False)
    failure = models.CharField(_("failure"), max_length=500, default="", db_default="", editable=False)

    STAGED: ClassVar[Q] = Q(position__isnull=True, failed_at__isnull=True)
    LISTED: ClassVar[Q] = Q(position__isnull=False, deleted_at__isnull=True)
    UNREAD: ClassVar[Q] = LISTED & Q(read_at__isnull=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        permissions = (
            # To view a notification is to see that it is there and what became of it; what it says is a right of its own.
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
                name="notif_event",  # the admin: who was sent an event, newest first; and the foreign key's own look
                fields=["event", "id"],
            ),
            models.Index(
                name="notif_failed",  # the admin: what could not be sequenced, newest first
                fields=["id"],
                condition=Q(failed_at__isnull=False),
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
                condition=Q(position__isnull=False, deleted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def is_listed(self) -> bool:
        """Whether its recipient sees it in the list."""
        return self.position is not None and self.deleted_at is None


class ChangeKind(models.TextChoices):
    """What happened to an inbox."""

    CREATED = "created", _("Created")
    READ = "read", _("Read")
    UNREAD = "unread", _("Unread")
    DELETED = "deleted", _("Deleted")
    READ_ALL = "read_all", _("All read")


class Reason(models.TextChoices):
    """Why a notification was deleted; the closed list of the protocol."""

    USER = "user", _("By the user")
    REPLACED = "replaced", _("Replaced by a newer one")
    WITHDRAWN = "withdrawn", _("Withdrawn by its producer")
    EXPIRED = "expired", _("Expired")
    RETENTION = "retention", _("Retention")
    ERASED = "erased", _("Erased")
    STAFF = "staff", _("By staff")


class Via(models.TextChoices):
    """By which door a change came in."""

    PAGE = "page", _("Page")
    API = "api", _("API")
    ADMIN = "admin", _("Admin")
    PRODUCER = "producer", _("Producer")
    SYSTEM = "system", _("System")


class Inbox(models.Model):
    """One user's notifications, and the head of their log. It exists from the first touch."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.DO_NOTHING,
        related_name="inbox",
        verbose_name=_("user"),
    )
    epoch = models.CharField(_("epoch"), max_length=8, default=new_epoch, editable=False)
    head = models.BigIntegerField(_("head"), default=0, db_default=0, editable=False)
    floor = models.BigIntegerField(_("floor"), default=0, db_default=0, editable=False)
    unread_count = models.BigIntegerField(_("unread"), default=0, db_default=0, editable=False)
    changed_at = models.DateTimeField(_("changed at"), null=True, editable=False)

    class Meta:
        verbose_name = _("inbox")
        verbose_name_plural = _("inboxes")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="inbox_epoch", fields=["epoch"]),  # the admin: whose a cursor is
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="inbox_counters",
                condition=Q(floor__gte=0, head__gte=F("floor"), unread_count__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.cursor}"

    @property
    def cursor(self) -> Cursor:
        """Its head as a cursor."""
        return Cursor(self.epoch, self.head)


class Change(models.Model):
    """One entry of an inbox's log. Immutable; a frame is a function of its change and that change's event alone."""

    inbox = models.ForeignKey(
        Inbox,
        on_delete=models.DO_NOTHING,
        related_name="changes",
        db_index=False,
        verbose_name=_("inbox"),
    )
    position = models.BigIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=8, choices=ChangeKind)
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
    up_to = models.BigIntegerField(_("up to"), null=True, help_text=_("All read: up to this position."))
    category = models.CharField(
        _("category"),
        max_length=MAX_NAME_LENGTH,
        default="",
        db_default="",
        help_text=_("All read: of this category."),
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
                name="change_superseded",  # compacted backlogs: whether a later one follows; and the foreign key's own look
                fields=["notification", "position"],
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="change_log", fields=["inbox", "position"]),  # the log, in order
        ]

    def __str__(self) -> str:
        return f"{self.inbox_id}@{self.position} {self.kind}"
