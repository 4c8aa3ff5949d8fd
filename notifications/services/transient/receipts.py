"""Tell whoever sent something over the channel layer what became of it, and bound how long they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum


class SendOutcome(Enum):
    """What became of something that was sent.

    TAKEN: the channel layer has taken all of it. NOT_SENT: none of it went out, and none will. IN_DOUBT:
    nobody can tell.
    """

    TAKEN = "taken"
    NOT_SENT = "not sent"
    IN_DOUBT = "in doubt"


class Receipt:
    """Follows one thing, which may go out in several parts. The first outcome stands. Safe in any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open_count = 0
        self._has_begun = False
        self._outcome: SendOutcome | None = None

    def add_part(self) -> None:
        """Wait for one more part."""
        with self._changed:
            self._open_count += 1

    def begin_part(self) -> bool:
        """Ask, right before a part goes out, whether it still may: False once the sender was told that
        nothing was sent.
        """
        with self._changed:
            if self._outcome is SendOutcome.NOT_SENT:
                return False
            self._has_begun = True
            return True

    def part_taken(self) -> None:
        """Note that the channel layer has taken one part."""
        with self._changed:
            self._open_count -= 1
            if not self._open_count:
                self._settle(SendOutcome.TAKEN)

    def give_up(self) -> None:
        """Note that a part was lost, or is not waited for any more; what has not begun by now never will."""
        with self._changed:
            self._settle(SendOutcome.IN_DOUBT if self._has_begun else SendOutcome.NOT_SENT)

    def wait(self, seconds: float) -> SendOutcome | None:
        """Wait for the outcome, at most that long; None while there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None, seconds)
            return self._outcome

    def _settle(self, outcome: SendOutcome) -> None:
        if self._outcome is None:
            self._outcome = outcome
            self._changed.notify_all()


class BoundedWaits:
    """Lets threads wait for something that is usually there at once.

    The threads belong to everybody: any of them waits for a moment, a few wait longer, and never all of them.

    Args:
        quick_seconds: for how long any thread may wait.
        max_waiting: how many threads at once may wait for longer.
    """

    def __init__(self, *, quick_seconds: float, max_waiting: int) -> None:
        self._quick_seconds = quick_seconds
        self._places = threading.BoundedSemaphore(max_waiting)

    def is_exhausted(self) -> bool:
        """Whether as many threads as may be are waiting for long already: whoever comes now need not even
        begin.
        """
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    def wait(self, until: Callable[[float], bool], seconds: float) -> bool:
        """Wait until something is there; whether it is.

        Args:
            until: waits for at most so many seconds, and says whether it is there.
            seconds: at most, in all.
        """
        quick_seconds = min(seconds, self._quick_seconds)
        if until(quick_seconds):
            return True
        if not self._places.acquire(blocking=False):
            return False
        try:
            return until(seconds - quick_seconds)
        finally:
            self._places.release()
