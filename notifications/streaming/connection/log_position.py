"""Where one connection stands in its inbox's log, and every decision that follows from it.

Pure: no Django, no event loop, no clock. Invariants:

- A position is sent at most once and in order: what ``offer`` answers with SEND strictly increases (I5).
- Nothing is passed over: a position that is not the next one is a GAP, and the connection reads the log
  itself (I6).
- ``written`` never runs ahead of what was handed to the wire, so falling back to it loses nothing (I8).
- A usable cursor resumes at exactly the next change; an unusable one is exactly one reset, before any change
  (I7).
- A compacted backlog may be cut anywhere: what was left out before the cut is superseded by a change that was
  sent, or that lies after the cut, where the next stream begins.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from notifications.exceptions import CursorAhead, CursorEpoch, CursorExpired, CursorUnusable, MalformedCursor
from notifications.protocol.cursors import Cursor
from notifications.streaming.frames import ResetReason, Resume

EARLIEST: Final = "earliest"
# Positions that one read of the log looks at. A filter, or compaction, may leave all of them out, and the
# read stays short.
MAX_STRETCH: Final = 2_000
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
        compacted_to: of the changes up to here those are left out that a later one up to here supersedes; 0
            for none.
    """

    resume: Resume
    start: int
    reset: ResetReason | None = None
    compacted_to: int = 0


def plan(given: str | None, *, epoch: str, floor: int, head: int, max_exact: int, max_backlog: int) -> Plan:
    """Decide how to begin from what the client sent.

    Args:
        given: the text of its cursor, ``earliest``, or None for now.
        epoch, floor, head: the inbox as it is.
        max_exact: a longer backlog is compacted.
        max_backlog: further behind nothing is resumed; 0 for no such limit. Who asks for ``earliest`` wants
            all there is.
    """
    if given is None:
        return Plan("none", head)
    if given == EARLIEST:
        if head - floor > max_exact:
            return Plan("compacted", 0, compacted_to=head)
        # What lies at or below the floor is the compacted base state; from the very beginning it still folds
        # right.
        return Plan("compacted" if floor else "exact", 0)
    try:
        cursor = Cursor.parse(given)
        cursor.check_usable(epoch=epoch, floor=floor, head=head)
    except MalformedCursor:
        return Plan("reset", head, "malformed")
    except CursorUnusable as unusable:
        return Plan("reset", head, _REASONS[type(unusable)])
    length = head - cursor.position
    if 0 < max_backlog < length:
        return Plan("reset", head, "too_far")
    if length > max_exact:
        return Plan("compacted", cursor.position, compacted_to=head)
    return Plan("exact", cursor.position)


class Stretch(NamedTuple):
    """A part of the log that is read at once.

    Attributes:
        after, up_to: positions, exclusive and inclusive.
        compacted_to: as in ``Plan``.
    """

    after: int
    up_to: int
    compacted_to: int


class Verdict(enum.Enum):
    """What to do with a change that is offered to a live connection."""

    DROP = "it was sent, or passed over by the filter, before"
    SEND = "it is the next one"
    GAP = "something before it is missing; read the log"


class Session:
    """One connection's place in its inbox's log.

    Attributes:
        epoch: the inbox's epoch.
        start: everything after it and up to ``written`` was handed to the wire, or hidden by the filter.
        position: everything up to here was considered: queued, or hidden by the filter.
        written: everything up to here was handed to the wire, or hidden by the filter.
        floor: where it was when the stream began.
        is_live: whether changes are offered; otherwise the connection reads the log itself.
    """

    __slots__ = ("_compacted_to", "epoch", "floor", "is_live", "position", "start", "written")

    def __init__(self, epoch: str, start: int, *, floor: int = 0, compacted_to: int = 0) -> None:
        self.epoch = epoch
        self.start = self.position = self.written = start
        self.floor = floor
        self._compacted_to = compacted_to
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

    def next_stretch(self, up_to: int) -> Stretch:
        """What to read next on the way to ``up_to``. The base state, which is sparse, is one stretch."""
        after, compacted_to = self.position, 0
        if after < self._compacted_to:
            up_to = compacted_to = self._compacted_to
        return Stretch(after, min(up_to, max(self.floor, after + MAX_STRETCH)), compacted_to)

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
        self.start = self.position = self.written = head
        self.floor = self._compacted_to = 0
        self.is_live = True
