"""Events: the first of the four main tables (docs/architecture.md)."""

from __future__ import annotations

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Left, Now, StrIndex
from django.utils.translation import gettext_lazy as _

from notifications.event_types import MAX_NAME_LENGTH
from notifications.models.columns import ReadableDateTimeField
from notifications.protocol.links import MAX_URL_LENGTH, NO_ACTIONS

MAX_TITLE_LENGTH = 200
MAX_BODY_LENGTH = 10_000
MAX_TOPIC_LENGTH = 100
MAX_ACTOR_LENGTH = 254
MAX_COLLAPSE_KEY_LENGTH = 200
MAX_SOURCE_LENGTH = 254

# As ``event_types.first_segment``, of an event's type, in the database.
FIRST_SEGMENT: Final = Left("type", StrIndex("type", Value(".")) - 1)


class Level(models.TextChoices):
    """How much attention a notification asks for."""

    INFO = "info", _("Info")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


class Event(models.Model):
    """What happened. Immutable, and stored once however many recipients it has."""

    type = models.CharField(_("type"), max_length=MAX_NAME_LENGTH)
    # What the type declared when the event was stored, else the type's first segment. The sequencer gives it
    # to a row that came without one.
    category = models.CharField(
        _("category"), max_length=MAX_NAME_LENGTH, default="", db_default="", editable=False
    )
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
    # Text, not JSON columns: jsonb reorders keys and rewrites numbers, and these texts are spliced into
    # frames as they are.
    data = models.TextField(_("data"), default="{}", db_default="{}")
    actions = models.TextField(_("actions"), default=NO_ACTIONS, db_default=NO_ACTIONS)
    expires_at = ReadableDateTimeField(_("expires at"), null=True, blank=True)
    source = models.CharField(
        _("source"),
        max_length=MAX_SOURCE_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text=_("Who sent it: the code, command, member of staff or token."),
    )
    # Who may withdraw it; `source` is for people, and text that a producer can have some influence on.
    # Without a constraint: it would lock the producer's row with every send, and whether that user still
    # exists is nobody's concern.
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
    # Who did it and by which door, for the log of changes, where it was not the one who sent it; else empty.
    withdrawn_by = models.CharField(
        _("withdrawn by"), max_length=MAX_SOURCE_LENGTH, default="", db_default="", editable=False
    )
    withdrawn_via = models.CharField(
        _("withdrawn via"), max_length=8, default="", db_default="", editable=False
    )
    withdrawn_address = models.GenericIPAddressField(_("withdrawn from"), null=True, editable=False)
    # From the withdrawal until the last of its notifications is gone: what the sweeper finishes.
    is_withdrawing = models.BooleanField(
        _("is being withdrawn"), default=False, db_default=False, editable=False
    )
    # Written by the doors alone: what comes some other way is held to its type by the sequencer.
    is_admitted = models.BooleanField(_("is admitted"), default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes: ClassVar[list[models.Index]] = [
            # The admin walks events by the time of sending, newest first: all, or those of one kind.
            models.Index(name="event_time", fields=["created_at", "id"]),
            models.Index(name="event_type_time", fields=["type", "created_at", "id"]),
            models.Index(name="event_category_time", fields=["category", "created_at", "id"]),
            # The admin: by the beginning of a type. No index has prefixes in an order that both databases
            # agree on; the first segment narrows it enough.
            models.Index(FIRST_SEGMENT, "created_at", "id", name="event_segment_time"),
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
