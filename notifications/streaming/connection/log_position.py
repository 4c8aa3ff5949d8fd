"""The position of one connection in its inbox's log, and every decision that follows from it.

Pure: no Django, no event loop, no clock. Invariants:

- A position is sent at most once and in order: what ``offer`` answers with SEND strictly increases (I5).
- No position is skipped: one that is not the next is answered with GAP, and the connection reads the log
  itself (I6).
- ``written`` is never ahead of what was handed to the transport, so falling back to it loses nothing (I8).
- A usable cursor resumes at exactly the next change. An unusable one leads to exactly one reset, before any
  change (I7).
- A compacted backlog may be cut anywhere: each change that was left out before the cut is superseded by one
  that was sent, or by one after the cut, where the next stream begins.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from notifications.exceptions import CursorAhead, CursorEpoch, CursorExpired, CursorUnusable, MalformedCursor
from notifications.protocol.cursors import Cursor
from notifications.streaming.frames import ResetReason, Resume

EARLIEST: Final = "earliest"
# The positions that one read of the log covers. A filter or compaction may leave out all of them, and the
# read still stays short.
MAX_RANGE_LENGTH: Final = 2_000
_REASONS: Final[dict[type[Exception], ResetReason]] = {
    CursorEpoch: "epoch",
    CursorAhead: "ahead",
    CursorExpired: "expired",
}


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """The decision how a stream begins.

    Attributes:
        resume: the value of ``resume`` in ``stream.open``.
        start: the position after which changes are sent.
        reset: why the cursor cannot be resumed; None when it can, or when the client gave none.
        compacted_to: up to here, changes are left out if a later one up to here supersedes them; 0 if none
            are left out.
    """

    resume: Resume
    start: int
    reset: ResetReason | None = None
    compacted_to: int = 0


def plan_resume(
    given: str | None, *, epoch: str, floor: int, head: int, max_exact: int, max_backlog: int
) -> ResumePlan:
    """Decide how a stream begins.

    Args:
        given: what the client sent: the text of a cursor, ``earliest``, or None for "from now on".
        epoch, floor, head: the state of the inbox.
        max_exact: a backlog of more changes is compacted.
        max_backlog: a cursor further behind the head is not resumed; 0 for no such limit. The limit does not
            apply to ``earliest``.
    """
    if given is None:
        return ResumePlan("none", head)
    if given == EARLIEST:
        if head - floor > max_exact:
            return ResumePlan("compacted", 0, compacted_to=head)
        # At or below the floor lies the compacted base state, which folds correctly from the beginning.
        return ResumePlan("compacted" if floor else "exact", 0)
    try:
        cursor = Cursor.parse(given)
        cursor.check_usable(epoch=epoch, floor=floor, head=head)
    except MalformedCursor:
        return ResumePlan("reset", head, "malformed")
    except CursorUnusable as unusable:
        return ResumePlan("reset", head, _REASONS[type(unusable)])
    length = head - cursor.position
    if 0 < max_backlog < length:
        return ResumePlan("reset", head, "too_far")
    if length > max_exact:
        return ResumePlan("compacted", cursor.position, compacted_to=head)
    return ResumePlan("exact", cursor.position)


class LogRange(NamedTuple):
    """A range of the log that one query reads.

    Attributes:
        after, up_to: positions, exclusive and inclusive.
        compacted_to: as in ``ResumePlan``.
    """

    after: int
    up_to: int
    compacted_to: int


class Verdict(enum.Enum):
    """The answer to a change that is offered to a live connection."""

    DROP = "it was considered before"
    SEND = "it is the next one"
    GAP = "a change before it is missing; read the log"


class LogPosition:
    """The position of one connection in its inbox's log.

    Attributes:
        epoch: the inbox's epoch.
        start: every change after it, up to ``written``, was handed to the transport or hidden by the filter.
        considered: every change up to here was queued, written, or hidden by the filter.
        written: every change up to here was handed to the transport or hidden by the filter.
        floor: the inbox's floor when the stream began.
        is_live: changes are offered to the connection; otherwise it reads the log itself.
    """

    __slots__ = ("_compacted_to", "considered", "epoch", "floor", "is_live", "start", "written")

    def __init__(self, epoch: str, start: int, *, floor: int = 0, compacted_to: int = 0) -> None:
        self.epoch = epoch
        self.start = self.considered = self.written = start
        self.floor = floor
        self._compacted_to = compacted_to
        self.is_live = False

    @property
    def cursor(self) -> str:
        """``written`` as a cursor."""
        return str(Cursor(self.epoch, self.written))

    def offer(self, position: int) -> Verdict:
        """Decide what to do with a change. After SEND it counts as considered."""
        if position <= self.considered:
            return Verdict.DROP
        if position > self.considered + 1:
            return Verdict.GAP
        self.considered = position
        return Verdict.SEND

    def mark_written(self) -> None:
        """Note that the whole queue was handed to the transport: everything considered is now written."""
        self.written = self.considered

    def next_range(self, up_to: int) -> LogRange:
        """Return what to read next on the way to ``up_to``. The base state, which is sparse, is one range."""
        after, compacted_to = self.considered, 0
        if after < self._compacted_to:
            up_to = compacted_to = self._compacted_to
        return LogRange(after, min(up_to, max(self.floor, after + MAX_RANGE_LENGTH)), compacted_to)

    def read_up_to(self, position: int) -> None:
        """Note that a page of the log, which covers everything up to this position, is being written."""
        self.considered = self.written = max(self.considered, position)

    def go_live(self, shared_position: int) -> bool:
        """Become live if no change that was offered to the inbox's other connections is missing here."""
        self.is_live = self.considered >= shared_position
        return self.is_live

    def fall_back(self) -> None:
        """Note that the queue was dropped: the log is read again from what was written."""
        self.considered = self.written
        self.is_live = False

    def restart(self, epoch: str, head: int) -> None:
        """Go on from the head of a new epoch, because positions were reused."""
        self.epoch = epoch
        self.start = self.considered = self.written = head
        self.floor = self._compacted_to = 0
        self.is_live = True
