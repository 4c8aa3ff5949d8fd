"""Whatever is thrown at the parsers, they give a typed value or an error of the hub, and nothing else.
Pure.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.exceptions import HubError, InvalidInput, MalformedCursor
from notifications.protocol import strict_json
from notifications.rest import inputs

IDS = st.uuids().map(str) | st.text(max_size=40)
CURSORS = st.from_regex(r"[a-z2-7]{8}-(0|[1-9][0-9]{0,15})", fullmatch=True) | st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BODIES = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["read", "unread", "delete"]) | VALUES,
        "ids": st.lists(IDS, max_size=4) | VALUES,
        "up_to": CURSORS | VALUES,
        "category": st.from_regex(r"[a-z_0-9.]{0,6}") | VALUES,
        "read": VALUES,
        "more": VALUES,
    },
)
NAMES = st.sampled_from(["limit", "before", "after", "unread", "category", "type", "topic", "level", "x"])
QUERIES = st.lists(
    st.tuples(
        NAMES,
        st.text(max_size=20) | CURSORS | st.integers().map(str) | st.sampled_from(["a.*", "info", "true"]),
    ),
    max_size=6,
)


def outcome(parse: Callable[[Any], Any], given: Any) -> Any:
    """The value, or the hub's error; any other exception is a failure of the test."""
    try:
        return parse(given)
    except HubError as error:
        return error


@given(BODIES)
def test_body__any_json__becomes_an_action_or_an_error_that_says_why(body: Any) -> None:
    action, flags = outcome(inputs.parse_action, body), outcome(inputs.parse_flags, body)
    assert isinstance(action, (inputs.IdsAction, inputs.ReadAll)) or str(action)
    assert isinstance(flags, dict) or flags.errors


@given(QUERIES)
def test_query__any__becomes_a_query_or_an_error_that_names_a_parameter(pairs: list[tuple[str, str]]) -> None:
    params = QueryDict(urlencode(pairs, errors="surrogatepass"))
    for kind in (inputs.ListQuery, inputs.ChangesQuery):
        query = outcome(kind.parse, params)
        match query:
            case InvalidInput():
                assert set(query.errors) <= {*params, "filter"}
            case MalformedCursor():
                assert "after" in params
            case _:
                assert 1 <= query.limit <= inputs.MAX_CHANGES_LIMIT


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
@example(b"1" * 5_000)
@example(b"[" * 5_000)
def test_bytes__any__become_a_value_that_every_database_stores_or_are_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        value = strict_json.loads(raw)
        assert json.loads(strict_json.dumps(value)) == value
        assert "\\u0000" not in strict_json.dumps(value).replace("\\\\", "")


@pytest.mark.parametrize("number", [0, 1, 10**16 - 1])
def test_before__any_position__is_taken(number: int) -> None:
    assert inputs.ListQuery.parse(QueryDict(f"before={number}")).before == number
