"""Annotations held against values: those of Python strictly, those of JSON by what JSON can say."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Literal, NewType, NotRequired, Optional, TypedDict

import pytest

from notifications.protocol.json_types import describe_type, fits, fits_json

pytestmark = pytest.mark.shape("embedded")


class Color(Enum):
    RED = "red"


class Word(StrEnum):
    YES = "yes"


class Box(TypedDict):
    width: int
    height: NotRequired[int]


Key = NewType("Key", int)


@pytest.mark.parametrize(
    ("value", "hint", "in_python", "in_json"),
    [
        ([1, "a"], tuple[int, str], False, True),
        ((1, "a"), tuple[int, str], True, True),
        ([1], tuple[int, str], False, False),
        ((), tuple[int, ...], True, True),
        ("ab", list[str], False, False),
        ([1], list, True, True),
        ({"a": 1}, dict[str, int], True, True),
        ({"a": "1"}, dict[str, int], False, False),
        ("red", Color, False, True),
        (Color.RED, Color, True, False),
        ("yes", Word, False, True),
        ({"width": 1}, Box, True, True),
        ({"width": 1, "height": 2}, Box, True, True),
        ({"height": 2}, Box, False, False),
        ({"width": 1, "depth": 1}, Box, False, False),
        (7, Key, True, True),
        ("7", Key, False, False),
        (True, Literal[1], False, False),
        (1, Literal[1], True, True),
        (1.0, int, False, False),
        (1, float, True, True),
        (None, Optional[int], True, True),  # noqa: UP045 (the older form, too)
        (b"x", Any, True, True),
        ({"a"}, set[str], True, False),
    ],
    ids=str,
)
def test_value__fits_an_annotation__as_python_or_as_json(
    value: object, hint: Any, in_python: bool, in_json: bool
) -> None:
    assert (fits(value, hint), fits_json(value, hint)) == (in_python, in_json)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (str | None, "text or null"),
        (Literal["a", "b"], "one of a, b"),
        (Color, "one of red"),
        (list[int], "a list with the declared values"),
        (Box, "an object with the declared values"),
        (complex, "as <class 'complex'> says"),
    ],
    ids=str,
)
def test_wanted__says_it_in_words(hint: Any, words: str) -> None:
    assert describe_type(hint) == words
