"""Transient events that wait for the changes before them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from notifications.streaming.transient import TransientEvent

MAX_SECONDS: Final = 5.0
MAX_EVENTS: Final = 256
MAX_BYTES: Final = 262_144


class Held:
    """A queue in the order of arrival: what came later never goes first, though nothing holds it back itself.

    Attributes:
        dropped_count: those that waited too long, or found it full.
    """

    __slots__ = ("_bytes", "_waiting", "dropped_count")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, float, TransientEvent]] = deque()
        self._bytes = 0
        self.dropped_count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: TransientEvent, *, head: int, now: float) -> None:
        """Keep an event until its inbox has reached ``head``, unless too many wait."""
        if len(self._waiting) >= MAX_EVENTS or self._bytes + len(event.frame) > MAX_BYTES:
            self.dropped_count += 1
            return
        self._waiting.append((head, now + MAX_SECONDS, event))
        self._bytes += len(event.frame)

    def release(self, *, position: int, now: float) -> Iterator[TransientEvent]:
        """Those that need wait no longer; those that have waited too long are dropped."""
        while self._waiting:
            head, until, event = self._waiting[0]
            is_late = now >= until
            if head > position and not is_late:
                return
            self._waiting.popleft()
            self._bytes -= len(event.frame)
            if is_late:
                self.dropped_count += 1
            else:
                yield event
