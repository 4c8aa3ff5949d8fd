"""Values go to JSON and back along their annotations, and come back as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Any, Literal, NewType, TypedDict
from uuid import UUID

import pytest

from notifications.protocol.json_conversion import from_json, to_json
from notifications.protocol.json_types import fits, fits_json

pytestmark = pytest.mark.shape("embedded")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = UUID("0197a1ff-43f0-7458-84e4-55e6c77c7973")
Key = NewType("Key", int)


class Color(Enum):
    RED = "red"


class Word(StrEnum):
    YES = "yes"


@dataclass(frozen=True)
class Leg:
    """A dataclass that names itself."""

    to: str
    at: datetime | None = None
    then: tuple[Leg, ...] = ()


class Box(TypedDict):
    packed: datetime


@pytest.mark.parametrize(
    ("value", "hint", "written"),
    [
        ("a", str, "a"),
        (None, str | None, None),
        (7, Key, 7),
        (7, float, 7),
        (7, Literal[7], 7),
        (NOON, datetime, "2026-11-21T12:00:00.000000Z"),
        (NOON, datetime | None, "2026-11-21T12:00:00.000000Z"),
        (NOON.date(), date, "2026-11-21"),
        (ID, UUID, str(ID)),
        (ID, int | UUID, str(ID)),
        (Color.RED, Color, "red"),
        (Word.YES, Word, "yes"),
        ([NOON.date()], list[date], ["2026-11-21"]),
        ((NOON.date(), 1), tuple[date, int], ["2026-11-21", 1]),
        ((ID, ID), tuple[UUID, ...], [str(ID)] * 2),
        ([ID], Sequence[UUID], [str(ID)]),
        (frozenset({ID}), frozenset[UUID], [str(ID)]),
        ({"a": ID}, dict[str, UUID], {"a": str(ID)}),
        ({"a": {"b": ID}}, Mapping[str, Mapping[str, UUID]], {"a": {"b": str(ID)}}),
        ({"a": [1, {"b": None}]}, dict[str, Any], {"a": [1, {"b": None}]}),
        ({"a": [1]}, dict, {"a": [1]}),
        ([1], Any, [1]),
        ({"packed": NOON}, Box, {"packed": "2026-11-21T12:00:00.000000Z"}),
        (
            Leg("Ulm", then=(Leg("Bonn", NOON),)),
            Leg,
            {
                "to": "Ulm",
                "at": None,
                "then": [{"to": "Bonn", "at": "2026-11-21T12:00:00.000000Z", "then": []}],
            },
        ),
    ],
    ids=str,
)
def test_value__to_json_and_back__is_the_same(value: Any, hint: Any, written: Any) -> None:
    assert fits(value, hint)
    assert to_json(value, hint) == written
    read = json.loads(json.dumps(to_json(value, hint)))
    assert fits_json(read, hint)
    again = from_json(read, hint)
    assert (again, type(again)) == (value, type(value))


def test_time__of_another_zone__is_written_in_utc() -> None:
    at = NOON.astimezone(timezone(timedelta(hours=14)))
    assert to_json(at, datetime) == "2026-11-21T12:00:00.000000Z"
    assert from_json("2026-11-22T02:00:00+14:00", datetime) == NOON


def test_any__is_left_as_it_is__however_deep_it_goes() -> None:
    endless: list[Any] = []
    endless += [endless, endless, ID]
    assert to_json(endless, Any) is endless
    assert to_json({"a": endless}, dict[str, Any])["a"] is endless
