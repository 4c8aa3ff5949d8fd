"""The frames that are queued for one connection: bounded in number and in bytes."""

from __future__ import annotations

from notifications.streaming import timing
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientFrame


class SendQueue:
    """A queue that refuses a frame when it is full. An empty queue takes any frame, however large.

    When a change is refused, its connection drops the whole queue, and reads the log once the reader has
    taken what was written before.

    Frames of transient events keep their place in the order, but never delay a change: together they take no
    more room than one write (unless a single one is larger), and when a change needs their room, they are
    dropped first.

    Attributes:
        frames: the queued frames, in order; to be read only.
        size: the sum of their bytes.
        transient_count: how many of them are transient.
    """

    __slots__ = ("_max_bytes", "_max_frames", "_transient_size", "frames", "size", "transient_count")

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        self.frames: list[bytes] = []
        self.size = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._transient_size = 0
        self.transient_count = 0

    def add(self, frame: bytes) -> bool:
        """Queue the frame of a change; return False if that would exceed a bound."""
        if not self._has_room_for(frame):
            self._drop_transient()
            if not self._has_room_for(frame):
                return False
        self.frames.append(frame)
        self.size += len(frame)
        return True

    def add_transient(self, frame: TransientFrame) -> bool:
        """Queue the frame of a transient event; return False if that would exceed a bound."""
        size = self._transient_size + len(frame)
        if (self._transient_size and size > timing.MAX_WRITE_BYTES) or not self._has_room_for(frame):
            return False
        self.frames.append(frame)
        self.size += len(frame)
        self._transient_size = size
        self.transient_count += 1
        return True

    def body(self) -> bytes:
        """Return all queued frames as one body."""
        return b"".join(self.frames)

    def take(self) -> list[bytes]:
        """Remove and return all queued frames."""
        taken, self.frames, self.size = self.frames, [], 0
        self._transient_size = self.transient_count = 0
        return taken

    def clear(self) -> None:
        """Drop all queued frames."""
        self._drop_transient()
        self.take()

    def _has_room_for(self, frame: bytes) -> bool:
        return not self.frames or (
            len(self.frames) < self._max_frames and self.size + len(frame) <= self._max_bytes
        )

    def _drop_transient(self) -> None:
        if self.transient_count:
            METRICS.transient_frames["dropped"] += self.transient_count
            self.frames = [frame for frame in self.frames if not isinstance(frame, TransientFrame)]
            self.size -= self._transient_size
            self._transient_size = self.transient_count = 0
