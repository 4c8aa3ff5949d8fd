"""The frames that wait for one connection: bounded in number and in bytes."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.streaming import timing
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientFrame


class Outbox:
    """A queue that says no when it is full; one frame, however large, is always admitted.

    Its connection then drops it as a whole, and reads the log once the reader has taken what was written
    before.

    Frames of transient events stand in it as they came, but are in nobody's way: they take no more room than
    one write, unless one alone is larger, so that they hold up no change behind them, and when a change needs
    their place they are dropped first.

    Attributes:
        frames: those that wait, in order; only to be looked at.
        size: their bytes.
        transient_count: how many of the frames are transient.
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
        """Queue a change's frame, unless that would break a bound."""
        if not self._admits(frame):
            self._drop_transient()
            if not self._admits(frame):
                return False
        self.frames.append(frame)
        self.size += len(frame)
        return True

    def add_transient(self, frame: TransientFrame) -> bool:
        """Queue the frame of a transient event, unless that would break a bound."""
        size = self._transient_size + len(frame)
        if (self._transient_size and size > timing.MAX_WRITE_BYTES) or not self._admits(frame):
            return False
        self.frames.append(frame)
        self.size += len(frame)
        self._transient_size = size
        self.transient_count += 1
        return True

    def body(self) -> bytes:
        """Everything that waits, as one body."""
        return b"".join(self.frames)

    def take(self) -> list[bytes]:
        """Everything that waits; nothing waits after it."""
        taken, self.frames, self.size = self.frames, [], 0
        self._transient_size = self.transient_count = 0
        return taken

    def clear(self) -> None:
        """Drop everything that waits."""
        self._drop_transient()
        self.take()

    def _admits(self, frame: bytes) -> bool:
        return not self.frames or (
            len(self.frames) < self._max_frames and self.size + len(frame) <= self._max_bytes
        )

    def _drop_transient(self) -> None:
        if self.transient_count:
            METRICS.transient_frames["dropped"] += self.transient_count
            self.frames = [frame for frame in self.frames if not isinstance(frame, TransientFrame)]
            self.size -= self._transient_size
            self._transient_size = self.transient_count = 0


def joined(frames: list[bytes]) -> Iterator[bytes]:
    """Frames put together into few writes of at most ``MAX_WRITE_BYTES``; a frame is never split."""
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        if batch and size + len(frame) > timing.MAX_WRITE_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        yield b"".join(batch)
