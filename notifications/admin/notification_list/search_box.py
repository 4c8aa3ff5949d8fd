"""The one notification that somebody means who types its id, a cursor, or a user and a position."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q

from notifications.exceptions import MalformedCursor
from notifications.models import Change
from notifications.protocol.cursors import Cursor

_MAX_POSITION_DIGITS: Final = 16


def exactly(term: str) -> Q | None:
    """The one notification that a full id, a cursor (``epoch-position``) or ``username:position`` means; None
    for words.
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


def username_field() -> str:
    """The name of the user model's field that the wire and the admin call the username."""
    return str(get_user_model().USERNAME_FIELD)


def _at(**change: Any) -> Q | None:
    """The notification that a change is about; None when there is no such change."""
    found = Change.objects.filter(**change).values_list("notification_id", flat=True)[:1]
    return Q(pk__in=list(filter(None, found))) if found else None
