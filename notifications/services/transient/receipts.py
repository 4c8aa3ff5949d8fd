"""Tell the sender of a transient event what became of it, and bound how long threads wait for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum


class SendOutcome(Enum):
    """The outcome of an attempt to send something.

    TAKEN: the channel layer has taken all of it. NOT_SENT: none of it went out, and none will. IN_DOUBT:
    nobody can tell.
    """

    TAKEN = "taken"
    NOT_SENT = "not sent"
    IN_DOUBT = "in doubt"


class Receipt:
    """Follows one event, which may go out in several parts. The first outcome stands. Safe in any thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._parts_left = 0
        self._has_begun = False
        self._outcome: SendOutcome | None = None

    def add_part(self) -> None:
        """Wait for the outcome of one more part."""
        with self._condition:
            self._parts_left += 1

    def begin_part(self) -> bool:
        """Begin to send a part; return False if it may not be sent any more.

        It may not once the sender was told that nothing was sent.
        """
        with self._condition:
            if self._outcome is SendOutcome.NOT_SENT:
                return False
            self._has_begun = True
            return True

    def part_taken(self) -> None:
        """Note that the channel layer has taken one part."""
        with self._condition:
            self._parts_left -= 1
            if not self._parts_left:
                self._settle(SendOutcome.TAKEN)

    def give_up(self) -> None:
        """Note that a part was lost, or is not waited for any more.

        A part that has not begun to be sent never will be.
        """
        with self._condition:
            self._settle(SendOutcome.IN_DOUBT if self._has_begun else SendOutcome.NOT_SENT)

    def wait(self, seconds: float) -> SendOutcome | None:
        """Wait for the outcome, for so many seconds at most; return None while there is none."""
        with self._condition:
            self._condition.wait_for(lambda: self._outcome is not None, seconds)
            return self._outcome

    def _settle(self, outcome: SendOutcome) -> None:
        if self._outcome is None:
            self._outcome = outcome
            self._condition.notify_all()


class BoundedWaits:
    """Lets threads wait for something that is usually there at once.

    The threads belong to everybody: any of them waits for a moment, a few wait longer, and never all of them.

    Args:
        quick_seconds: for how long any thread may wait.
        max_waiting: how many threads at once may wait for longer.
    """

    def __init__(self, *, quick_seconds: float, max_waiting: int) -> None:
        self._quick_seconds = quick_seconds
        self._long_waits = threading.BoundedSemaphore(max_waiting)

    def is_exhausted(self) -> bool:
        """Return whether ``max_waiting`` threads wait for longer already, so that no other need begin."""
        if self._long_waits.acquire(blocking=False):
            self._long_waits.release()
            return False
        return True

    def wait(self, until: Callable[[float], bool], seconds: float) -> bool:
        """Wait until something is there; return whether it is.

        Args:
            until: waits for so many seconds at most, and returns whether it is there.
            seconds: how long to wait in all, at most.
        """
        quick_seconds = min(seconds, self._quick_seconds)
        if until(quick_seconds):
            return True
        if not self._long_waits.acquire(blocking=False):
            return False
        try:
            return until(seconds - quick_seconds)
        finally:
            self._long_waits.release()
