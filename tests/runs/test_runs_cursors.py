"""Where a watcher goes on: exactly, or with a snapshot."""

from __future__ import annotations

import pytest

from notifications.runs.cursors import number_to_resume

pytestmark = pytest.mark.shape("embedded")


@pytest.mark.parametrize(
    ("text", "kept_from", "expected"),
    [
        ("abcdefgh-41", 1, 41),
        ("abcdefgh-0", 1, 0),
        ("abcdefgh-50", 1, 50),
        ("abcdefgh-51", 1, None),
        ("zzzzzzzz-41", 1, None),
        ("abcdefgh-30", 31, 30),
        ("abcdefgh-29", 31, None),
        ("abcdefgh-50", 51, 50),
        ("abcdefgh-49", 51, None),
        ("earliest", 1, 0),
        ("earliest", 2, None),
        ("", 1, None),
        ("-1", 1, None),
        ("41", 1, None),
        ("abcdefgh--1", 1, None),
        ("abcdefgh-041", 1, None),
        ("abcdefgh-99999999999999999", 1, None),
        ("abcdefgh-x", 1, None),
        ("abcdefgh-٤", 1, None),
        ("\ud800", 1, None),
    ],
)
def test_cursor__tells_where_to_go_on__and_anything_else_is_no_error(
    text: str, kept_from: int, expected: int | None
) -> None:
    assert number_to_resume(text, epoch="abcdefgh", kept_from=kept_from, newest=50) == expected
