"""The position that an address of the time machine asks for.

It may be given as a cursor, a position or a time; where it had to be corrected, a remark says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from notifications import selectors
from notifications.exceptions import MalformedCursor
from notifications.models import Inbox
from notifications.protocol.cursors import Cursor
from notifications.protocol.times import time_problem

_MAX_DIGITS: Final = 16


class RequestedPosition(NamedTuple):
    """A position from the floor to the head.

    Attributes:
        position: of the newest change that counts.
        remark: what had to be put right in the address, for a person; empty when nothing had.
    """

    position: int
    remark: str = ""


def requested_position(inbox: Inbox, given: QueryDict) -> RequestedPosition:
    """Read ``cursor``, else ``position``, else ``at``; without any it is the head.

    One query at most, for a time.
    """
    if text := given.get("cursor", "").strip():
        return _by_cursor(inbox, text)
    if text := given.get("position", "").strip():
        position = parse_position(text)
        if position is None:
            return RequestedPosition(
                inbox.head, _("“%s” is not a position. The latest position is shown instead.") % text[:40]
            )
        return _within(inbox, position)
    if text := given.get("at", "").strip():
        at = parse_time(text)
        if at is None:
            return RequestedPosition(
                inbox.head, _("“%s” is not a time. The latest position is shown instead.") % text[:40]
            )
        return _by_time(inbox, at)
    return RequestedPosition(inbox.head)


def parse_position(text: str) -> int | None:
    """A position as it stands in an address; None for anything else."""
    valid = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if valid else None


def parse_time(text: str) -> datetime | None:
    """Read a time as a browser's field or a permalink has it; None for anything else.

    It is in the zone of the site unless it names its own.
    """
    try:
        at = parse_datetime(text)
        at = timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at
    except (ValueError, OverflowError):
        return None
    return at if time_problem(at) is None else None


def _by_cursor(inbox: Inbox, text: str) -> RequestedPosition:
    try:
        cursor = Cursor.parse(text)
    except MalformedCursor:
        return RequestedPosition(
            inbox.head, _("“%s” is not a cursor. The latest position is shown instead.") % text[:40]
        )
    if cursor.epoch != inbox.epoch:
        return RequestedPosition(
            inbox.head,
            _(
                "The epoch of the cursor %s is not that of this inbox: the cursor belongs to "
                "another user’s inbox, or this inbox was given a new epoch after a restore. The "
                "latest position is shown instead."
            )
            % cursor,
        )
    return _within(inbox, cursor.position)


def _by_time(inbox: Inbox, at: datetime) -> RequestedPosition:
    if not at.microsecond:
        # Pages show times to the second: one that is copied from there means what happened in that second,
        # too.
        at = at.replace(microsecond=999_999)
    position: Any = selectors.position_at(inbox.pk, at)
    if position is None and not inbox.floor:
        return RequestedPosition(0)
    return _within(inbox, position or 0)


def _within(inbox: Inbox, position: int) -> RequestedPosition:
    if position > inbox.head:
        return RequestedPosition(
            inbox.head, _("Position %d does not exist yet. The latest position is shown instead.") % position
        )
    if position < inbox.floor:
        return RequestedPosition(
            inbox.floor,
            _(
                "The log is compacted up to position %(floor)d, so the state at position "
                "%(position)d is no longer known."
            )
            % {"floor": inbox.floor, "position": position},
        )
    return RequestedPosition(position)
