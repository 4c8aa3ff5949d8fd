"""Up to where this process has announced inboxes lately: a transient event may not overtake that (I19).
Pure.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

MAX_USERS: Final = 100_000


class Announced:
    """The newest announced position of each user, remembered for one to two spans of time.

    Two generations instead of a time for each user: the older one is forgotten as a whole. A stream that is
    behind for longer than a span has lost its database; and after a restore, positions that were announced
    before it hold nothing back for long. The newer generation is full at 100,000 users, and then becomes the
    older one at once. Safe in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._turned_at = 0.0

    def add(self, heads: Mapping[str, int], *, now: float, span_seconds: float) -> None:
        """Remember positions."""
        with self._lock:
            self._age(now, span_seconds)
            for key, head in heads.items():
                if len(self._newer) >= MAX_USERS and key not in self._newer:
                    self._turn(now)
                self._newer[key] = max(head, self._newer.get(key, 0))

    def of(self, keys: Iterable[str], *, now: float, span_seconds: float) -> dict[str, int | None]:
        """The position of each user; None for those who are not remembered."""
        with self._lock:
            self._age(now, span_seconds)
            newer, older = self._newer, self._older
            return {key: newer.get(key) or older.get(key) for key in keys}

    def _age(self, now: float, span_seconds: float) -> None:
        elapsed = now - self._turned_at
        if elapsed >= span_seconds:
            self._turn(now)
        if elapsed >= 2 * span_seconds:
            self._older = {}

    def _turn(self, now: float) -> None:
        self._older, self._newer = self._newer, {}
        self._turned_at = now
