"""The small parts of the stream: queue, groups, jitter."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming import timing
from notifications.streaming.connection.send_queue import SendQueue
from notifications.streaming.connection.writer import bodies
from notifications.streaming.hints.messages import group_of, hint_message, look_message, read_hint, read_look

pytestmark = pytest.mark.shape("embedded")

OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


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


@given(key=st.text(max_size=120))
def test_group__any_key__is_a_name_that_every_layer_takes(key: str) -> None:
    assert InMemoryChannelLayer().require_valid_group_name(group_of(key, installation=OURS))


def test_group__two_users__two_groups() -> None:
    keys: list[str | None] = ["1", "2", "a b", "a_b", "all", "", "x" * 47, "x" * 48, "x" * 49, None]
    keys.append(group_of("a b", installation=OURS).rpartition(".")[2])  # looks like another one's digest
    assert len({group_of(key, installation=OURS) for key in keys}) == len(keys)


def test_group__two_installations__two_groups() -> None:
    for address in ("1", "a b", None):
        assert group_of(address, installation=OURS) != group_of(address, installation=THEIRS)


@given(heads=st.lists(st.tuples(st.text(), st.integers())))
def test_hint__comes_back_as_it_was(heads: list[tuple[str, int]]) -> None:
    assert list(read_hint(hint_message(heads))) == heads


HINT = {"type": hint_message([])["type"]}


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"heads": [["7", 8]]},
        {**HINT, "heads": None},
        {**HINT, "heads": 5},
        {**HINT, "heads": "ab"},
        {**HINT, "heads": [["7"], ["7", "8"], [7, 8], ["7", True], ["7", 1.5], "ab", None, ["7", 8, 9]]},
    ],
)
def test_hint__forged__is_passed_over(message: Any) -> None:
    assert list(read_hint(message)) == []


@given(keys=st.lists(st.text()))
def test_look__comes_back_as_it_was__and_is_no_hint(keys: list[str]) -> None:
    assert list(read_look(look_message(keys))) == keys
    assert list(read_hint(look_message(keys))) == []


@pytest.mark.parametrize(
    "message",
    [None, [], {}, {"keys": ["7"]}, {**look_message([]), "keys": 5}, {**look_message([]), "keys": [7, None]}],
)
def test_look__forged__is_passed_over(message: Any) -> None:
    assert list(read_look(message)) == []


def test_backoff__grows_to_its_bound() -> None:
    assert timing.backoff_seconds(0) < timing.backoff_seconds(3) < timing.backoff_seconds(6)
    assert timing.backoff_seconds(10_000) <= timing.MAX_BACKOFF_SECONDS * 1.25


@given(value=st.floats(0.1, 1_000), part=st.floats(0, 1))
def test_spread__stays_within_its_part(value: float, part: float) -> None:
    assert value * (1 - part) - 1e-6 <= timing.with_jitter(value, part) <= value * (1 + part) + 1e-6
