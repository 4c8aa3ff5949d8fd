"""A run's cursor, ``<epoch>-<number>``: the grammar and the type are those of the inbox's cursors."""

from __future__ import annotations

from typing import Final

from notifications.exceptions import CursorUnusable, MalformedCursor
from notifications.protocol.cursors import Cursor

EARLIEST: Final = "earliest"


def number_to_resume(text: str, *, epoch: str, kept_from: int, newest: int) -> int | None:
    """The number after which a watcher goes on exactly; None where it begins with a snapshot.

    A cursor that cannot be used is never an error here: one of another run or another telling has another
    epoch, and one that is malformed, ahead of the run, or behind what is kept tells nothing.

    Args:
        text: what the client sent: a cursor, or ``earliest`` for all events from 1.
        epoch: of the run's log now.
        kept_from: the number of the oldest event that is kept; one more than the newest where none is.
        newest: the number of the newest event.
    """
    if text == EARLIEST:
        return 0 if kept_from <= 1 else None
    try:
        cursor = Cursor.parse(text)
        cursor.check_usable(epoch=epoch, floor=kept_from - 1, head=newest)
    except (MalformedCursor, CursorUnusable):
        return None
    return cursor.position
