"""The JSON Schema of a class admits what ``fits_json`` admits, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012Validator

from notifications.protocol.json_schema import DIALECT, schema_of
from notifications.protocol.json_types import fits_json

pytestmark = pytest.mark.shape("embedded")

Key = NewType("Key", int)


class Color(Enum):
    RED = "red"


class Box(TypedDict):
    width: float
    height: NotRequired[float]


@dataclass(frozen=True)
class Leg:
    """A dataclass that names itself."""

    to: str
    then: tuple[Leg, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trip:
    """One field of each kind."""

    number: Key
    name: str = ""
    price: float | None = None
    is_booked: bool = False
    at: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    state: Literal["open", 1, None] = "open"
    color: Color = Color.RED
    legs: list[Leg] = field(default_factory=list)
    pair: tuple[int, str] = (1, "a")
    words: tuple[str, ...] = ()
    counts: dict[str, int] | None = None
    boxes: Mapping[str, Box] | None = None
    rest: dict[str, Any] | None = None
    anything: Any = None


GOOD: list[dict[str, Any]] = [
    {"number": 7},
    {"number": 7, "price": 1, "is_booked": True, "at": "2026-11-21T02:03:04Z", "day": "2026-11-21"},
    {"number": 7, "id": "0197a1ff-43f0-7458-84e4-55e6c77c7973", "state": None, "color": "red"},
    {"number": 7, "legs": [{"to": "Ulm", "then": [{"to": "Bonn"}]}], "pair": [2, "b"], "words": ["x"]},
    {"number": 7, "counts": {"a": 1}, "boxes": {"b": {"width": 1.5}}, "rest": {"a": [{}]}, "anything": [1]},
]
BAD: list[dict[str, Any]] = [
    {},
    {"number": "7"},
    {"number": True},
    {"number": 7, "name": None},
    {"number": 7, "price": "1"},
    {"number": 7, "is_booked": 1},
    {"number": 7, "at": "2026-11-21"},
    {"number": 7, "day": "today"},
    {"number": 7, "id": "7"},
    {"number": 7, "state": "shut"},
    {"number": 7, "color": "blue"},
    {"number": 7, "legs": [{}]},
    {"number": 7, "legs": [{"to": "Ulm", "then": [{"to": 1}]}]},
    {"number": 7, "legs": [{"to": "Ulm", "by": "train"}]},
    {"number": 7, "pair": [1]},
    {"number": 7, "pair": [1, "a", 2]},
    {"number": 7, "words": [1]},
    {"number": 7, "counts": {"a": "1"}},
    {"number": 7, "boxes": {"b": {}}},
    {"number": 7, "boxes": {"b": {"width": 1, "depth": 1}}},
    {"number": 7, "rest": []},
    {"number": 7, "unknown": 1},
]


@pytest.mark.parametrize("data", GOOD + BAD, ids=str)
def test_schema__admits_what_the_gate_does(data: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema_of(Trip), validate_formats=True)
    assert validator.is_valid(data) is fits_json(data, Trip) is (data in GOOD)


def test_schema__is_whole_in_itself__with_defaults_and_order() -> None:
    schema = schema_of(Trip, secret=["name"])
    Draft202012Validator(schema)
    assert schema["$schema"] == DIALECT
    assert list(schema["properties"])[:3] == ["number", "name", "price"]
    assert (schema["required"], schema["additionalProperties"]) == (["number"], False)
    assert schema["properties"]["name"] == {"type": "string", "default": "", "writeOnly": True}
    assert schema["properties"]["price"] == {"type": ["number", "null"], "default": None}
    assert schema["properties"]["color"] == {"enum": ["red"], "default": "red"}
    assert schema["properties"]["pair"]["default"] == [1, "a"]
    assert schema["properties"]["anything"] == {"default": None}
    assert set(schema["$defs"]) == {"Leg", "Box"}
    assert schema["$defs"]["Leg"]["properties"]["then"]["items"] == {"$ref": "#/$defs/Leg"}


def test_definitions__of_two_classes_of_one_name__are_two() -> None:
    def make(hint: Any) -> Any:
        @dataclass(frozen=True)
        class Part:
            value: Any

        Part.__annotations__["value"] = hint
        return Part

    @dataclass(frozen=True)
    class Whole:
        first: Any
        second: Any

    Whole.__annotations__.update(first=make(int), second=make(str))
    schema = schema_of(Whole)
    assert [schema["properties"][name]["$ref"] for name in ("first", "second")] == [
        "#/$defs/Part",
        "#/$defs/Part2",
    ]
    assert schema["$defs"]["Part2"]["properties"]["value"] == {"type": "string"}


@pytest.mark.parametrize("hint", [bytes, complex, dict[int, str], list[bytes], type], ids=str)
def test_annotation__that_json_has_no_form_for__is_refused(hint: Any) -> None:
    @dataclass(frozen=True)
    class Odd:
        value: Any

    Odd.__annotations__["value"] = hint
    with pytest.raises(TypeError, match="JSON"):
        schema_of(Odd)
