"""Measures how busy this process is with the API, which decides how often clients are asked to poll.

The measure is the mean number of requests under way: the time that all of them took together, for each
second. It rises with their rate and with whatever makes them slow (the processor, the database, its pool), so
clients that are asked to poll less often bring it down again. Long polls, which wait on purpose, do not
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
    """The mean number of requests under way in the last whole window, counted by any number of threads.

    Args:
        clock: returns seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began_at = clock()
        self._busy_seconds = 0.0
        self._last_mean = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request while the block runs.

        It counts when it ends, with at most the part that fits into one window.
        """
        began_at = self._clock()
        try:
            yield
        finally:
            with self._lock:
                now = self._clock()
                self._roll_window(now)
                self._busy_seconds += min(now - began_at, WINDOW_SECONDS)

    @property
    def mean(self) -> float:
        """How many requests were under way on average."""
        with self._lock:
            self._roll_window(self._clock())
            return self._last_mean

    def _roll_window(self, now: float) -> None:
        """Begin the next window when this one is over; a window without requests has the mean 0."""
        passed = now - self._began_at
        if passed >= WINDOW_SECONDS:
            self._last_mean = self._busy_seconds / WINDOW_SECONDS if passed < 2 * WINDOW_SECONDS else 0.0
            self._busy_seconds = 0.0
            self._began_at = now


LOAD: Final = Load()


def poll_interval_seconds(load: Load = LOAD) -> int:
    """Return the value of ``X-Poll-Interval``.

    It is the setting while half a request is under way on average, and grows in proportion above that.
    """
    config = hub_config()
    requested = round(config.poll_interval_seconds * 2 * load.mean)
    return max(config.poll_interval_seconds, min(requested, config.max_poll_interval_seconds))
