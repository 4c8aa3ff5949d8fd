"""Where one connection stands in its inbox's log, and every decision that follows from it.

Pure: no Django, no event loop, no clock. Invariants:

- A position is sent at most once and in order: what ``offer`` answers with SEND strictly increases (I5).
- Nothing is passed over: a position that is not the next one is a GAP, and the connection reads the log itself (I6).
- ``written`` never runs ahead of what was handed to the wire, so falling back to it loses nothing (I8).
- A usable cursor resumes at exactly the next change; an unusable one is exactly one reset, before any change (I7).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from notifications.cursors import Cursor
from notifications.exceptions import CursorAhead, CursorEpoch, CursorExpired, CursorUnusable, MalformedCursor
from notifications.streaming.frames import ResetReason, Resume

EARLIEST: Final = "earliest"
_REASONS: Final[dict[type[Exception], ResetReason]] = {
    CursorEpoch: "epoch",
    CursorAhead: "ahead",
    CursorExpired: "expired",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stream begins.

    Attributes:
        resume: what ``stream.open`` says.
        start: the position after which changes are sent.
        reset: why nothing can be resumed; None when something can, or when nothing was asked for.
    """

    resume: Resume
    start: int
    reset: ResetReason | None = None


def plan(given: str | None, *, epoch: str, floor: int, head: int) -> Plan:
    """Decide how to begin from what the client sent.

    Args:
        given: the text of its cursor, ``earliest``, or None for now.
        epoch, floor, head: the inbox as it is.
    """
    if given is None:
        return Plan("none", head)
    if given == EARLIEST:
        # What lies at or below the floor is the compacted base state; from the very beginning it still folds right.
        return Plan("compacted" if floor else "exact", 0)
    try:
        cursor = Cursor.parse(given)
        cursor.check_usable(epoch=epoch, floor=floor, head=head)
    except MalformedCursor:
        return Plan("reset", head, "malformed")
    except CursorUnusable as unusable:
        return Plan("reset", head, _REASONS[type(unusable)])
    return Plan("exact", cursor.position)


class Verdict(enum.Enum):
    """What to do with a change that is offered to a live connection."""

    DROP = "it was sent, or passed over by the filter, before"
    SEND = "it is the next one"
    GAP = "something before it is missing; read the log"


class Session:
    """One connection's place in its inbox's log.

    Attributes:
        epoch: the inbox's epoch.
        position: everything up to here was considered: queued, or hidden by the filter.
        written: everything up to here was handed to the wire, or hidden by the filter.
        is_live: whether changes are offered; otherwise the connection reads the log itself.
    """

    __slots__ = ("epoch", "is_live", "position", "written")

    def __init__(self, epoch: str, start: int) -> None:
        self.epoch = epoch
        self.position = self.written = start
        self.is_live = False

    @property
    def cursor(self) -> str:
        """Up to where everything is on the wire, for heartbeats."""
        return str(Cursor(self.epoch, self.written))

    def offer(self, position: int) -> Verdict:
        """Say what to do with a change; SEND counts it as considered."""
        if position <= self.position:
            return Verdict.DROP
        if position > self.position + 1:
            return Verdict.GAP
        self.position = position
        return Verdict.SEND

    def flushed(self) -> None:
        """Everything considered so far is on the wire: the queue was taken as a whole."""
        self.written = self.position

    def read_up_to(self, position: int) -> None:
        """A page of the log is on the wire; it held everything up to this position."""
        self.position = self.written = max(self.position, position)

    def go_live(self, shared_position: int) -> bool:
        """Take offers from now on, if nothing that was offered to others is still missing here."""
        self.is_live = self.position >= shared_position
        return self.is_live

    def fall_back(self) -> None:
        """The queue was dropped: read the log from what is on the wire."""
        self.position = self.written
        self.is_live = False

    def restart(self, epoch: str, head: int) -> None:
        """Positions were reused: go on from the head of the new epoch."""
        self.epoch = epoch
        self.position = self.written = head
        self.is_live = True
