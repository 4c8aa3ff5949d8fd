"""Filters: how they are given, what is refused, and whom they admit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import InvalidInput, UnknownFilter
from notifications.filters import Filters, SubjectValues

pytestmark = pytest.mark.shape("embedded")


def admits(filters: Filters, **values: str) -> bool:
    return filters.admits(
        SubjectValues("orders.order.shipped", "order:7", "orders", "info")._replace(**values)
    )


def test_none_given__admit_everything_and_are_false() -> None:
    filters = Filters.parse({})
    assert filters == Filters()
    assert not filters
    assert admits(filters)


def test_parse__values_by_comma_and_by_repetition__are_the_same() -> None:
    by_comma = Filters.parse({"topic": ["a,b"], "type": ["a.b,c.*"], "level": ["info"], "category": ["x,y"]})
    repeated = Filters.parse(
        {"topic": ["b", "a"], "type": ["c.*", "a.b"], "level": ["info", "info"], "category": ["y", "x"]}
    )
    assert by_comma == repeated
    assert by_comma.types == {"a.b"}
    assert by_comma.type_prefixes == ("c.",)
    assert by_comma


def test_parse__parameters_of_other_names__are_ignored() -> None:
    assert not Filters.parse({"limit": ["\0"], "after": [","], "user": ["ada"]})


def test_parse__the_plural__means_the_same_and_both_are_a_union() -> None:
    both = {"categories": ["a"], "types": ["a.b"], "topics": ["x,y"], "levels": ["info"]}
    single = {"category": ["a"], "type": ["a.b"], "topic": ["x", "y"], "level": ["info"]}
    assert Filters.parse(both) == Filters.parse(single)
    assert Filters.parse({"topic": ["x"], "topics": ["y"]}) == Filters.parse({"topic": ["x,y"]})


def test_parse__what_is_wrong__is_named_at_once_and_a_mistaken_name_decides() -> None:
    with pytest.raises(UnknownFilter) as caught:
        Filters.parse({"levels": ["loud"], "event": ["x"], "tag[]": ["x"]})
    assert list(caught.value.errors) == ["event", "tag[]", "levels"]


def test_by_name__is_what_was_understood() -> None:
    filters = Filters.parse({"types": ["c.*,a.b"], "topic": ["z", "z"]})
    assert filters.by_name == {"type": ["a.b", "c.*"], "topic": ["z"]}
    assert Filters().by_name == {}


@pytest.mark.parametrize(
    ("given_values", "field"),
    [
        ({"topic": [""]}, "topic"),
        ({"topic": ["a,"]}, "topic"),
        ({"topic": [",,"]}, "topic"),
        ({"topic": ["x" * 101]}, "topic"),
        ({"topic": ["a\0"]}, "topic"),
        ({"topic": ["a\n"]}, "topic"),
        ({"topic": ["a\x85"]}, "topic"),
        ({"topic": ["\ud800"]}, "topic"),
        ({"level": ["loud"]}, "level"),
        ({"level": ["INFO"]}, "level"),
        ({"level": ["info "]}, "level"),
        ({"category": ["orders.order"]}, "category"),
        ({"category": ["Orders"]}, "category"),
        ({"category": ["*"]}, "category"),
        ({"category": ["é"]}, "category"),
        ({"type": ["*"]}, "type"),
        ({"type": [".*"]}, "type"),
        ({"type": ["orders*"]}, "type"),
        ({"type": ["orders.*.shipped"]}, "type"),
        ({"type": ["orders.**"]}, "type"),
        ({"type": ["orders..order"]}, "type"),
        ({"type": ["orders.order."]}, "type"),
        ({"type": ["orders.%"]}, "type"),
        ({"type": ["orders.order\n"]}, "type"),
        ({"type": ["a.b.c.d.e"]}, "type"),
        ({"type": ["orders"]}, "type"),
        ({"type": ["a.b.c.d.*"]}, "type"),
        ({"topics": [""]}, "topics"),
        ({"categories": ["Orders"]}, "categories"),
        ({"topic": ["t"] * 51}, "filter"),
        ({"topic": ["t"] * 26, "topics": ["t"] * 25}, "filter"),
        ({"topic": [",".join("t" * 26)], "level": ["info"] * 25}, "filter"),
    ],
    ids=str,
)
def test_parse__bad_value__is_refused_by_its_name(given_values: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Filters.parse(given_values)
    assert list(caught.value.errors) == [field]


def test_parse__fifty_values_of_a_hundred_characters__are_allowed() -> None:
    topics = [f"{number:0100}" for number in range(50)]
    assert Filters.parse({"topic": [",".join(topics)]}).topics == set(topics)


@pytest.mark.parametrize(
    ("value", "admitted", "refused"),
    [
        (
            "orders.*",
            ["orders.order", "orders.order.shipped"],
            ["orders", "orders2.order", "order.s", "ordersx"],
        ),
        (
            "orders.order.*",
            ["orders.order.shipped", "orders.order.a.b"],
            ["orders.order", "orders.order_item.a"],
        ),
        ("orders.order", ["orders.order"], ["orders.order.shipped", "orders.orders"]),
        ("a_b.*", ["a_b.c"], ["axb.c"]),
    ],
)
def test_type__prefix_and_exact__are_taken_by_whole_segments(
    value: str, admitted: list[str], refused: list[str]
) -> None:
    filters = Filters.parse({"type": [value]})
    assert all(admits(filters, type=name) for name in admitted)
    assert not any(admits(filters, type=name) for name in refused)


@pytest.mark.parametrize("topic", ["Straße 😀", "100%", "a_b", "it's", " ", "a b", "+", "order:7/8?x=1&y"])
def test_topic__is_free_text_and_exact(topic: str) -> None:
    filters = Filters.parse({"topic": [topic]})
    assert admits(filters, topic=topic)
    assert not admits(filters, topic=topic + " ")
    assert not admits(filters, topic="")


_values = {
    "category": st.sampled_from(["orders", "sync"]),
    "type": st.sampled_from(["orders.order.shipped", "orders.*", "sync.job.failed"]),
    "topic": st.sampled_from(["order:7", "order:8"]),
    "level": st.sampled_from(["info", "error"]),
}


@given(
    st.fixed_dictionaries(
        {}, optional={name: st.lists(values, max_size=2) for name, values in _values.items()}
    )
)
def test_admits__several_filters__all_must_admit_and_each_by_any_of_its_values(
    chosen: dict[str, list[str]],
) -> None:
    each = [
        not values or any(admits(Filters.parse({name: [value]})) for value in values)
        for name, values in chosen.items()
    ]
    assert admits(Filters.parse(chosen)) == all(each)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "category": ["orders,billing"],
            "type": ["a.b.*,c.d"],
            "topic": ["order:7,x&y=z"],
            "level": ["info,error"],
        },
        {"topic": ["a=b&c"]},
        {"level": ["error"]},
    ],
)
def test_read__text_of_filters__is_those_filters(given: dict[str, list[str]]) -> None:
    filters = Filters.parse(given)
    assert Filters.from_text(str(filters)) == filters


@pytest.mark.parametrize("text", ["nonsense", "category=", "level=odd", "category=A"])
def test_read__anything_else__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Filters.from_text(text)
