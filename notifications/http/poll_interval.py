"""How busy this process is with the API, and how often polling clients are therefore asked to come.

The measure is the mean number of requests under way: the time that all of them took together, for each
second. It rises with their rate and with whatever makes them slow (the processor, the database, its pool), so
clients that are asked to come more seldom bring it down again. Long polls, which wait on purpose, do not
count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from notifications.conf import hub_config

WINDOW_SECONDS: Final = 5.0


class Load:
    """The mean number of requests under way, over the last whole window; for any number of threads.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at = clock()
        self._busy_seconds = 0.0
        self._last = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around the work of one request. It counts, when it ends, with the part that fits into a window at
        most.
        """
        began_at = self._clock()
        try:
            yield
        finally:
            with self._lock:
                now = self._clock()
                self._turn(now)
                self._busy_seconds += min(now - began_at, WINDOW_SECONDS)

    @property
    def mean(self) -> float:
        """How many requests were under way, on average."""
        with self._lock:
            self._turn(self._clock())
            return self._last

    def _turn(self, now: float) -> None:
        """Begin the next window when this one is over; one in which nobody came counts as none under way."""
        passed = now - self._began_at
        if passed >= WINDOW_SECONDS:
            self._last = self._busy_seconds / WINDOW_SECONDS if passed < 2 * WINDOW_SECONDS else 0.0
            self._busy_seconds = 0.0
            self._began_at = now


LOAD: Final = Load()


def poll_interval_seconds(load: Load = LOAD) -> int:
    """What ``X-Poll-Interval`` says: the setting while half a request is under way on average, and in
    proportion above that.
    """
    config = hub_config()
    wanted = round(config.poll_interval_seconds * 2 * load.mean)
    return max(config.poll_interval_seconds, min(wanted, config.max_poll_interval_seconds))
