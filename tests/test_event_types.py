"""Event types: how they are declared, what their fields take, and what is refused when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from django.utils.functional import lazy

from notifications.event_types import (
    ICONS,
    EventType,
    Registry,
    UntypedEvent,
    check_name,
    encode_data,
    first_segment,
    registry,
    words_of,
)
from notifications.exceptions import EventTypeError, InvalidInput

pytestmark = pytest.mark.shape("embedded")


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    before = list(registry)
    yield
    for event_type in set(registry) - set(before):
        registry.remove(event_type)


@pytest.fixture
def shipped() -> type[Any]:
    class Shipped(EventType, name="unit.order.shipped", level="success"):
        order_id: int
        carrier: str = ""
        weight: float | None = None
        state: Literal["packed", "sent"] = "sent"
        items: list[str] | tuple[str, ...] = ()
        extra: dict[str, Any] | None = None
        pair: tuple[int, str] = (1, "a")
        size = 7  # no annotation: a plain attribute, not a field

    return Shipped


def test_declaration__makes_a_registered_frozen_keyword_only_class(shipped: type[Any]) -> None:
    event = shipped(order_id=7)
    assert (event.type_name, event.default_level, event.size) == ("unit.order.shipped", "success", 7)
    assert "unit.order.shipped" in registry
    with pytest.raises(FrozenInstanceError):
        event.order_id = 8
    with pytest.raises(TypeError):
        shipped(7)
    assert event == shipped(order_id=7)


def test_data__has_all_fields_in_the_order_of_their_declaration(shipped: type[Any]) -> None:
    assert encode_data(shipped(order_id=7, extra={"b": 1, "a": [None, True]}).data()) == (
        '{"order_id":7,"carrier":"","weight":null,"state":"sent","items":[],"extra":{"b":1,"a":[null,true]},'
        '"pair":[1,"a"]}'
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"order_id": -(2**63)},
        {"weight": 1},
        {"weight": 1.5},
        {"state": "packed"},
        {"items": ["a", "b"]},
        {"items": ("a",)},
        {"extra": {"any": frozenset()}},
        {"pair": (2, "b")},
    ],
    ids=str,
)
def test_field__of_its_type__is_taken(shipped: type[Any], fields: dict[str, Any]) -> None:
    event = shipped(**({"order_id": 7} | fields))
    assert {name: getattr(event, name) for name in fields} == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"order_id": "7"},
        {"order_id": 7.0},
        {"order_id": True},
        {"order_id": None},
        {"carrier": None},
        {"carrier": b"x"},
        {"weight": "1"},
        {"weight": True},
        {"state": "lost"},
        {"state": ["sent"]},
        {"items": [1]},
        {"items": "ab"},
        {"items": ["a", None]},
        {"extra": {1: 2}},
        {"extra": []},
        {"pair": (1,)},
        {"pair": ("1", "a")},
        {"pair": [1, "a"]},
    ],
    ids=str,
)
def test_field__of_another_type__is_refused_by_its_name(shipped: type[Any], fields: dict[str, Any]) -> None:
    with pytest.raises(EventTypeError, match=f"Shipped.{next(iter(fields))} must be"):
        shipped(**({"order_id": 7} | fields))


@pytest.mark.parametrize("fields", [{}, {"order_id": 7, "color": "red"}], ids=str)
def test_field__missing_or_unknown__is_refused(shipped: type[Any], fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        shipped(**fields)


def test_annotation__of_something_declared_further_down__is_resolved_at_the_first_use() -> None:
    class Later(EventType, name="unit.order.later"):
        state: _State

    assert Later(state="open").data() == {"state": "open"}
    with pytest.raises(EventTypeError):
        Later(state="shut")  # type: ignore[arg-type]


_State = Literal["open"]


def test_event_type__of_an_event_type__has_its_fields_too() -> None:
    class Base(EventType, name="unit.order.base", level="error"):
        order_id: int

    class Returned(Base, name="unit.order.returned"):
        why: str

    event = Returned(order_id=7, why="broken")
    assert (event.type_name, event.default_level) == ("unit.order.returned", "info")
    assert list(event.data().items()) == [("order_id", 7), ("why", "broken")]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "orders",
        "orders.",
        ".orders",
        "orders..order",
        "a.b.c.d.e",
        "Orders.order",
        "orders.Order",
        "1orders.order",
        "orders._order",
        "orders.or-der",
        "orders.order ",
        "orders.order\n",
        "ördérs.order",
        "a." + "b" * 99,
        "notification.created",
        "inbox.read",
        "stream.open",
        "run.started",
        "run.tool.called",
    ],
)
def test_name__not_of_the_protocol__is_refused_at_the_declaration(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_name(name)
    assert list(caught.value.errors) == ["type"]
    with pytest.raises(EventTypeError, match="Bad"):
        type("Bad", (EventType,), {}, name=name)
    assert name not in registry


@pytest.mark.parametrize(
    "name",
    ["a.b", "a1_.b2_", "a.b.c.d", "a." + "b" * 98, "streams.open", "notifications.sent", "runs.run.started"],
)
def test_name__of_the_protocol__is_taken_and_begins_with_its_first_segment(name: str) -> None:
    check_name(name)
    assert first_segment(name) == name.partition(".")[0]
    assert registry.category_of(name) == first_segment(name)


def test_level__of_no_list__is_refused_at_the_declaration() -> None:
    with pytest.raises(EventTypeError, match="level"):

        class Loud(EventType, name="unit.order.loud", level="loud"):  # type: ignore[arg-type]
            pass

    assert "unit.order.loud" not in registry


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"icon": "rocket"}, "icon must be one of .*bell.*, not 'rocket'"),
        ({"durable": False, "transient": False}, "durable or transient"),
        ({"secret": ("token", "order")}, "secret names token, which is no field"),
        ({"category": "Shipping"}, "category"),
    ],
    ids=str,
)
def test_declaration__that_cannot_be__is_refused_by_its_class(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(EventTypeError, match=f"^Bad: .*{said}"):
        type("Bad", (EventType,), {"__annotations__": {"order": str}}, name="unit.order.bad", **arguments)
    assert "unit.order.bad" not in registry


def test_icons__are_those_of_the_sprite() -> None:
    sprite = Path(__file__).resolve().parents[1] / "static/notifications/icons.svg"
    assert set(re.findall(r'<symbol id="([^"]+)"', sprite.read_text("utf-8"))) == ICONS


def test_type__that_says_nothing__is_both_durable_and_transient_with_words_of_its_name(
    shipped: type[Any],
) -> None:
    assert (shipped.is_durable, shipped.is_transient, shipped.secret_fields) == (True, True, frozenset())
    described = shipped.describe()
    assert {name: described[name] for name in ("name", "category", "category_label", "level", "label")} == {
        "name": "unit.order.shipped",
        "category": "unit",
        "category_label": "Unit",
        "level": "success",
        "label": "Order shipped",
    }
    assert (described["icon"], described["durable"], described["transient"]) == ("success", True, True)


def test_type__that_says_all__is_described_so_in_the_active_language() -> None:
    words = {"label": "Verschickt"}

    class Sent(
        EventType,
        name="unit.parcel.sent",
        category="unit_shipping",
        level="warning",
        durable=False,
        secret="token",
        label=lazy(lambda: words["label"], str)(),
        category_label="Shipping",
        icon="bell",
    ):
        token: str = ""

    class Lost(EventType, name="unit.parcel.lost", category="unit_shipping", category_label="Other"):
        pass

    assert Sent.secret_fields == {"token"}
    assert Sent.describe() == {
        "name": "unit.parcel.sent",
        "category": "unit_shipping",
        "category_label": "Shipping",
        "level": "warning",
        "label": "Verschickt",
        "icon": "bell",
        "durable": False,
        "transient": True,
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"token": {"type": "string", "default": "", "writeOnly": True}},
            "additionalProperties": False,
        },
    }
    words["label"] = "Sent"
    assert (Sent.describe()["label"], Lost.describe()["category_label"]) == ("Sent", "Shipping")


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.b", "A b"), ("orders.order.shipped", "Order shipped"), ("data_sync", "Data sync"),
     ("a.big_b.c.d", "Big b c d")],
)  # fmt: skip
def test_words__of_a_name(name: str, words: str) -> None:
    assert words_of(name) == words


@dataclass(frozen=True)
class Stop:
    """A part of an event."""

    city: str
    at: datetime


def test_from_data__gives_the_event_back_that_was_sent() -> None:
    class Planned(EventType, name="unit.trip.planned"):
        id: UUID
        day: date
        stops: tuple[Stop, ...] = ()
        note: str | None = None

    event = Planned(
        id=UUID(int=7), day=date(2026, 11, 21), stops=(Stop("Ulm", datetime(2026, 11, 21, 12, tzinfo=UTC)),)
    )
    stored = encode_data(event.data())
    assert json.loads(stored) == {
        "id": "00000000-0000-0000-0000-000000000007",
        "day": "2026-11-21",
        "stops": [{"city": "Ulm", "at": "2026-11-21T12:00:00.000000Z"}],
        "note": None,
    }
    assert Planned.from_data(json.loads(stored)) == event
    # As it was stored before the type gained its optional fields.
    older = {"id": "00000000-0000-0000-0000-000000000007", "day": "2026-11-21"}
    assert Planned.from_data(older) == Planned(id=UUID(int=7), day=date(2026, 11, 21))
    with pytest.raises(InvalidInput) as caught:
        Planned.from_data({"day": "today", "color": "red"})
    assert caught.value.errors == {
        "data.id": "is required",
        "data.day": "must be a date, such as 2026-11-21",
        "data.color": "is no field of unit.trip.planned",
    }


def test_name__declared_by_two_classes__is_refused_and_names_both(shipped: type[Any]) -> None:
    with pytest.raises(EventTypeError, match=r"Shipped and .*Other"):

        class Other(EventType, name="unit.order.shipped"):
            pass


def test_class__declared_again_by_a_reload__is_no_clash() -> None:
    def declare() -> type[EventType]:
        class Again(EventType, name="unit.order.again"):
            pass

        return Again

    declare()
    again = declare()
    assert [event_type for event_type in registry if event_type.type_name == "unit.order.again"] == [again]


def test_registry__lists_its_types_by_name() -> None:
    own = Registry()
    for name in ("b.b", "a.a", "c.c"):
        own.add(type(name, (), {"type_name": name}))
    assert [event_type.type_name for event_type in own] == ["a.a", "b.b", "c.c"]
    own.remove(next(iter(own)))
    assert "a.a" not in own


def test_untyped_event__gives_a_copy_of_its_fields() -> None:
    fields = {"b": 1, "a": 2}
    event = UntypedEvent(type_name="a.b", fields=fields)
    event.data()["b"] = 9
    assert (event.default_level, list(event.data().items())) == ("info", [("b", 1), ("a", 2)])


@pytest.mark.parametrize(
    "fields", [{"x": float("inf")}, {"x": 2**63}, {1: 2}, {"x": {1}}, {"\0": 1}], ids=str
)
def test_encode_data__what_is_no_json__is_refused_as_data(fields: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_data(fields)
    assert list(caught.value.errors) == ["data"]
