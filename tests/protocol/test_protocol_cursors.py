"""Cursors: what is one, and from which of them a log can be resumed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import CursorAhead, CursorEpoch, CursorExpired, CursorUnusable, MalformedCursor
from notifications.protocol.cursors import Cursor, new_epoch

pytestmark = pytest.mark.shape("embedded")

# The protocol's own words (section 1).
GRAMMAR = "[a-z2-7]{8}-(0|[1-9][0-9]{0,15})"


@given(st.from_regex(GRAMMAR, fullmatch=True))
def test_parse__text_of_the_grammar__is_echoed_unchanged(text: str) -> None:
    assert str(Cursor.parse(text)) == text


@given(st.text() | st.from_regex(GRAMMAR + ".?", fullmatch=True))
def test_parse__any_text__is_a_cursor_exactly_if_the_grammar_says_so(text: str) -> None:
    if re.fullmatch(GRAMMAR, text, re.ASCII):
        assert str(Cursor.parse(text)) == text
    else:
        with pytest.raises(MalformedCursor):
            Cursor.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-0",
        "abcdefgh",
        "abcdefgh-",
        "abcdefgh-00",
        "abcdefgh-01",
        "abcdefgh--1",
        "abcdefgh-+1",
        "abcdefgh-1 ",
        " abcdefgh-1",
        "abcdefgh-1\n",
        "abcdefgh-1\0",
        "abcdefgh-1.0",
        "abcdefgh-1e3",
        "abcdefgh-1_0",
        "abcdefgh-10000000000000000",
        "abcdefgh-٣",
        "ABCDEFGH-1",
        "abcdefg1-1",
        "abcdefg-1",
        "abcdefghi-1",
        "abcdefgé-1",
        "abcdefgh-1,abcdefgh-2",
        "\ud800",
    ],
)
def test_parse__nearly_a_cursor__is_malformed(text: str) -> None:
    with pytest.raises(MalformedCursor):
        Cursor.parse(text)


def test_parse__largest_position__is_kept() -> None:
    assert Cursor.parse("abcdefgh-9999999999999999").position == 10**16 - 1


def test_new_epoch__is_of_the_grammar_and_new_each_time() -> None:
    epochs = {new_epoch() for _ in range(1_000)}
    assert len(epochs) == 1_000
    assert {str(Cursor.parse(f"{epoch}-0")) for epoch in epochs} == {f"{epoch}-0" for epoch in epochs}


_positions = st.integers(0, 12)


@given(_positions, _positions, _positions, st.booleans())
def test_check_usable__any_cursor__is_usable_exactly_from_floor_to_head_of_its_epoch(
    position: int, floor: int, length: int, is_of_the_epoch: bool
) -> None:
    head = floor + length
    cursor = Cursor("abcdefgh" if is_of_the_epoch else "hgfedcba", position)
    if is_of_the_epoch and floor <= position <= head:
        cursor.check_usable(epoch="abcdefgh", floor=floor, head=head)
        return
    expected = CursorEpoch if not is_of_the_epoch else CursorAhead if position > head else CursorExpired
    with pytest.raises(CursorUnusable) as caught:
        cursor.check_usable(epoch="abcdefgh", floor=floor, head=head)
    assert type(caught.value) is expected
    assert caught.value.head == f"abcdefgh-{head}"
