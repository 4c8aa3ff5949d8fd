"""What a text in the search box names: one notification, a user, a topic or an event type."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from django.db.models import Q

from notifications.exceptions import MalformedCursor
from notifications.models import MAX_TOPIC_LENGTH, Change, Event
from notifications.protocol.cursors import Cursor
from notifications.selectors.staff.users import key_of_username, username_field

_MAX_POSITION_DIGITS: Final = 16


def exact_match(term: str) -> Q | None:
    """Find the one notification that a full id, a cursor or ``username:position`` means.

    A cursor is written ``epoch-position``. None for other texts, which are words.
    """
    try:
        return Q(public_id=UUID(term))
    except ValueError:
        pass
    try:
        cursor = Cursor.parse(term)
        return _at(inbox__epoch=cursor.epoch, position=cursor.position) or Q(pk__in=())
    except MalformedCursor:
        pass
    name, _, position = term.rpartition(":")
    if name and position.isdecimal() and position.isascii() and len(position) <= _MAX_POSITION_DIGITS:
        # A topic may look the same (order:7); where no such position exists it is searched as words.
        return _at(**{f"inbox__user__{username_field()}": name, "position": int(position)})
    return None


def known_as(term: str) -> Literal["recipient", "topic", "type"] | None:
    """Find what a text is the whole name of; None for nothing. Three queries at most."""
    if key_of_username(term) is not None:
        return "recipient"
    if len(term) <= MAX_TOPIC_LENGTH and Event.objects.filter(topic=term).exists():
        return "topic"
    return "type" if Event.objects.filter(type=term).exists() else None


def _at(**change: Any) -> Q | None:
    """The notification that a change is about; None when there is no such change."""
    found = Change.objects.filter(**change).values_list("notification_id", flat=True)[:1]
    return Q(pk__in=list(filter(None, found))) if found else None
