"""What the search box of the notifications finds: one thing exactly, or words."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q

from notifications.cursors import Cursor
from notifications.exceptions import MalformedCursor
from notifications.models import Change, Notification

MAX_WORDS: Final = 8
# No index helps to find words: a million rows took seconds to look through, ten million would take too long to wait for.
SEARCH_WINDOW: Final = 200_000
_MAX_POSITION_DIGITS: Final = 16


def exactly(term: str) -> Q | None:
    """The one notification that a full id, a cursor (``epoch-position``) or ``username:position`` means; None for words."""
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


def words(term: str) -> Q:
    """The notifications that have each word in their recipient's name, their title, type or topic."""
    # The event's columns, not the copies: a staged notification has no copies yet.
    columns = (f"recipient__{username_field()}", "event__title", "event__type", "event__topic")
    return reduce(
        and_,
        (
            reduce(or_, (Q(**{f"{column}__icontains": word}) for column in columns))
            for word in term.split()[:MAX_WORDS]
        ),
        Q(),
    )


def older_than_window() -> int:
    """The newest primary key that lies before the ``SEARCH_WINDOW`` newest notifications; below 1 when all lie within."""
    newest = Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return newest - SEARCH_WINDOW


def username_field() -> str:
    """The name of the user model's field that the wire and the admin call the username."""
    return str(get_user_model().USERNAME_FIELD)


def _at(**change: Any) -> Q | None:
    """The notification that a change is about; None when there is no such change."""
    found = Change.objects.filter(**change).values_list("notification_id", flat=True)[:1]
    return Q(pk__in=list(filter(None, found))) if found else None
