"""Transient events that wait until the changes before them were delivered. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from notifications.streaming.transient import TransientEvent

MAX_SECONDS: Final = 5.0
MAX_EVENTS: Final = 256
MAX_BYTES: Final = 262_144


class DelayedEvents:
    """A queue of transient events in the order of arrival.

    An event never overtakes one that came before it, even if the inbox has reached its own position.

    Attributes:
        dropped_count: events that waited too long, or came when the queue was full.
    """

    __slots__ = ("_bytes", "_queue", "dropped_count")

    def __init__(self) -> None:
        self._queue: deque[tuple[int, float, TransientEvent]] = deque()
        self._bytes = 0
        self.dropped_count = 0

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, event: TransientEvent, *, head: int, now: float) -> None:
        """Delay an event until its inbox has reached ``head``; drop it if too many are waiting."""
        if len(self._queue) >= MAX_EVENTS or self._bytes + len(event.frame) > MAX_BYTES:
            self.dropped_count += 1
            return
        self._queue.append((head, now + MAX_SECONDS, event))
        self._bytes += len(event.frame)

    def release(self, *, position: int, now: float) -> Iterator[TransientEvent]:
        """Take the events that an inbox at ``position`` need not delay; drop those that waited too long."""
        while self._queue:
            head, deadline, event = self._queue[0]
            is_late = now >= deadline
            if head > position and not is_late:
                return
            self._queue.popleft()
            self._bytes -= len(event.frame)
            if is_late:
                self.dropped_count += 1
            else:
                yield event
