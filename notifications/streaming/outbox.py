"""The frames that wait for one connection: bounded in number and in bytes."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.streaming import limits


class Outbox:
    """A queue that says no when it is full; one frame, however large, is always admitted.

    Its connection then drops it as a whole, and reads the log once the reader has taken what was written before.
    """

    __slots__ = ("_frames", "_max_bytes", "_max_frames", "_size")

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        self._frames: list[bytes] = []
        self._size = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: bytes) -> bool:
        """Queue a frame, unless that would break a bound."""
        if self._frames and (
            len(self._frames) >= self._max_frames or self._size + len(frame) > self._max_bytes
        ):
            return False
        self._frames.append(frame)
        self._size += len(frame)
        return True

    def take(self) -> list[bytes]:
        """Everything that waits; nothing waits after it."""
        taken, self._frames, self._size = self._frames, [], 0
        return taken


def joined(frames: list[bytes]) -> Iterator[bytes]:
    """Frames put together into few writes of at most ``MAX_WRITE_BYTES``; a frame is never split."""
    batch: list[bytes] = []
    size = 0
    for frame in frames:
        if batch and size + len(frame) > limits.MAX_WRITE_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(frame)
        size += len(frame)
    if batch:
        yield b"".join(batch)
