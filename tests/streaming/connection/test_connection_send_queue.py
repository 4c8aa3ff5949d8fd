"""The send queue: its bounds hold, one frame is always admitted, and writes split no frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming import timing
from notifications.streaming.connection.send_queue import SendQueue
from notifications.streaming.connection.writer import bodies

pytestmark = pytest.mark.shape("embedded")


@given(sizes=st.lists(st.integers(1, 30), max_size=30))
def test_send_queue__any_frames__bounds_hold_and_one_is_always_admitted(sizes: list[int]) -> None:
    queue = SendQueue(max_frames=3, max_bytes=20)
    admitted: list[bytes] = []
    for size in sizes:
        frame = b"x" * size
        if queue.add(frame):
            admitted.append(frame)
        else:
            assert admitted
        assert len(admitted) <= 3
        assert len(admitted) == 1 or sum(map(len, admitted)) <= 20
    assert queue.take() == admitted
    assert queue.frames == []
    assert queue.add(b"y" * 100)


@given(sizes=st.lists(st.integers(1, 3 * timing.MAX_WRITE_BYTES), max_size=8))
def test_joined__writes_are_bounded_and_no_frame_is_split(sizes: list[int]) -> None:
    frames = [bytes([index]) * size for index, size in enumerate(sizes)]
    writes = list(bodies(frames))
    assert b"".join(writes) == b"".join(frames)
    for write in writes:
        assert len(write) <= timing.MAX_WRITE_BYTES or write in frames
    for frame in frames:
        assert sum(frame in write for write in writes) == 1
