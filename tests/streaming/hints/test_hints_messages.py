"""Hints and looks come back as they were sent, forged ones are passed over; and the names of groups."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming.hints.messages import group_of, hint_message, look_message, read_hint, read_look

pytestmark = pytest.mark.shape("embedded")

OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


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
