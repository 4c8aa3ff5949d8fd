"""Annotations held against values: those of Python strictly, those of JSON by what JSON can say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import Any, Literal, NewType, NotRequired, Optional, TypedDict
from uuid import UUID

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


@dataclass(frozen=True)
class Leg:
    """A dataclass that names itself."""

    to: str
    at: datetime | None = None
    then: list[Leg] | None = None


Key = NewType("Key", int)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT_ID = "0197a1ff-43f0-7458-84e4-55e6c77c7973"


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
        (NOON, datetime, True, False),
        (NOON.replace(tzinfo=None), datetime, False, False),
        (datetime.max.replace(tzinfo=UTC), datetime, False, False),
        ("2026-11-21T12:00:00Z", datetime, False, True),
        ("2026-11-21T12:00:00.123456+14:00", datetime, False, True),
        ("2026-11-21T12:00:00", datetime, False, False),
        ("2026-11-21", datetime, False, False),
        ("2026-02-30T12:00:00Z", datetime, False, False),
        ("9999-12-31T23:59:59Z", datetime, False, False),
        (1, datetime, False, False),
        (NOON.date(), date, True, False),
        (NOON, date, False, False),
        ("2026-11-21", date, False, True),
        ("2026-02-30", date, False, False),
        ("20261121", date, False, False),
        (UUID(TEXT_ID), UUID, True, False),
        (TEXT_ID, UUID, False, True),
        (TEXT_ID.upper(), UUID, False, True),
        (TEXT_ID.replace("-", ""), UUID, False, False),
        (f"{{{TEXT_ID}}}", UUID, False, False),
        (Leg("Ulm"), Leg, True, False),
        (Leg("Ulm", then=[Leg("Bonn", NOON)]), Leg, True, False),
        (Leg(7), Leg, False, False),  # type: ignore[arg-type]
        (Leg("Ulm", then=[Leg(7)]), Leg, False, False),  # type: ignore[arg-type]
        ({"to": "Ulm"}, Leg, False, True),
        ({"to": "Ulm", "then": [{"to": "Bonn", "at": "2026-11-21T12:00:00Z"}]}, Leg, False, True),
        ({"to": "Ulm", "then": [{"to": "Bonn", "at": "soon"}]}, Leg, False, False),
        ({"at": None}, Leg, False, False),
        ({"to": "Ulm", "by": "train"}, Leg, False, False),
        (["Ulm"], Leg, False, False),
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
        (Leg, "an object with the declared values"),
        (datetime, "a time with a zone, such as 2026-11-21T02:03:04Z"),
        (date | None, "a date, such as 2026-11-21 or null"),
        (UUID, "a UUID"),
        (complex, "as <class 'complex'> says"),
    ],
    ids=str,
)
def test_wanted__says_it_in_words(hint: Any, words: str) -> None:
    assert describe_type(hint) == words
