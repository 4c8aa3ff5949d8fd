"""The heads that this process has announced lately, which no transient event may overtake (I19). Pure."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

MAX_USERS: Final = 100_000


class AnnouncedHeads:
    """The newest announced position of each user, remembered for one to two spans of time.

    There are two maps instead of a time for each user, and the older map is forgotten as a whole. That is
    long enough: a stream that is behind for longer than a span has lost its database. And it is short enough:
    after a restore, positions that were announced before delay nothing for long. Once the newer map holds
    100,000 users, it becomes the older one at once. Safe in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._shifted_at = 0.0

    def add(self, heads: Mapping[str, int], *, now: float, span_seconds: float) -> None:
        """Remember announced positions."""
        with self._lock:
            self._expire(now, span_seconds)
            for key, head in heads.items():
                if len(self._newer) >= MAX_USERS and key not in self._newer:
                    self._shift(now)
                self._newer[key] = max(head, self._newer.get(key, 0))

    def get(self, keys: Iterable[str], *, now: float, span_seconds: float) -> dict[str, int | None]:
        """Return the position of each user; None for those who are not remembered."""
        with self._lock:
            self._expire(now, span_seconds)
            newer, older = self._newer, self._older
            return {key: newer.get(key) or older.get(key) for key in keys}

    def _expire(self, now: float, span_seconds: float) -> None:
        elapsed = now - self._shifted_at
        if elapsed >= span_seconds:
            self._shift(now)
        if elapsed >= 2 * span_seconds:
            self._older = {}

    def _shift(self, now: float) -> None:
        self._older, self._newer = self._newer, {}
        self._shifted_at = now
