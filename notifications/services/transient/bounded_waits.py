"""Waiting in threads that belong to everybody: any of them for a moment, a few for longer, and never all of
them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Patience:
    """Lets threads wait for something that is usually there at once.

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
