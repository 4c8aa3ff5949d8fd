"""JSON as the protocol admits it: what passes comes back equal, and what does not is refused with a
sentence.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import InvalidInput
from notifications.protocol import strict_json

pytestmark = pytest.mark.shape("embedded")

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_dumps__any_admitted_value__comes_back_equal_from_any_library(value: Any) -> None:
    text = strict_json.dumps(value)
    assert text.isascii()
    assert not {"\n", "\r"} & set(text)
    assert (
        exact(strict_json.loads(text)) == exact(json.loads(text)) == exact(orjson.loads(text)) == exact(value)
    )


@given(_values)
def test_loads__what_dumps_wrote__is_written_the_same_again(value: Any) -> None:
    text = strict_json.dumps(value)
    assert strict_json.dumps(strict_json.loads(text)) == text


def exact(value: Any) -> Any:
    """Equality that tells 1 from 1.0 and True, -0.0 from 0.0, and one order of keys from another."""
    if isinstance(value, dict):
        return [(key, exact(child)) for key, child in value.items()]
    if isinstance(value, list):
        return [exact(child) for child in value]
    return (type(value), repr(value))


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("{'a':1}", "not valid JSON"),
        ('{"a":1,}', "not valid JSON"),
        ("1 2", "not valid JSON"),
        ("01", "not valid JSON"),
        ("+1", "not valid JSON"),
        (".5", "not valid JSON"),
        ('"a\nb"', "not valid JSON"),
        ("// comment", "not valid JSON"),
        ("\ufeff{}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ("NaN", "NaN"),
        ('{"a":[Infinity]}', "Infinity"),
        ("-Infinity", "Infinity"),
        ("1e400", "not finite"),
        ("-1e400", "not finite"),
        ("9223372036854775808", "64 bit"),
        ("-9223372036854775809", "64 bit"),
        ("9" * 5_000, "JSON"),
        ('{"a":1,"a":1}', "same key twice"),
        ('{"a":{"b":1,"\\u0062":2}}', "same key twice"),
        ('"\\u0000"', "NUL"),
        ('{"\\u0000":1}', "NUL"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udfff":1}', "surrogate"),
        ('"\\ude00\\ud83d"', "surrogate"),
        (nested(33), "deeper than 32"),
        (nested(100_000), "deeper than 32"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "deeper than 32"),
    ],
    ids=lambda value: f"{str(value)[:20]}~{len(value)}",
)
def test_loads__what_the_protocol_does_not_admit__is_refused_and_says_why(raw: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        strict_json.loads(raw, field="data")
    assert list(caught.value.errors) == ["data"]


@pytest.mark.parametrize(
    "raw",
    [
        "9223372036854775807",
        "-9223372036854775808",
        "1.7976931348623157e308",
        "5e-324",
        "1E25",
        "-0.0",
        "1.0",
        nested(32),
    ],
)
def test_loads__at_the_edge__is_admitted_and_equal(raw: str) -> None:
    value = strict_json.loads(raw)
    assert exact(value) == exact(json.loads(raw))
    assert exact(strict_json.loads(strict_json.dumps(value))) == exact(value)


def test_loads__surrogate_pair__is_one_character() -> None:
    assert strict_json.loads('"\\ud83d\\ude00"') == strict_json.loads(b'"\xf0\x9f\x98\x80"') == "😀"


def test_loads__bytes_and_text__are_read_alike_and_keys_keep_their_order() -> None:
    raw = '{"b":1,"a":{"d":2,"c":3}}'
    assert (
        strict_json.dumps(strict_json.loads(raw)) == strict_json.dumps(strict_json.loads(raw.encode())) == raw
    )


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": (1, [2])}, '{"a":[1,[2]]}'),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        ([Colour.RED, Number.ONE], '["red",1]'),
        ("ä\u2028\x7f</script>", '"\\u00e4\\u2028\\u007f</script>"'),
    ],
    ids=str,
)
def test_dumps__pythons_own_kinds__are_written_as_what_they_are(value: Any, text: str) -> None:
    assert strict_json.dumps(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "not finite"),
        ([math.inf], "not finite"),
        (2**63, "64 bit"),
        (-(2**63) - 1, "64 bit"),
        ({1: 2}, "keys are text"),
        ({None: 2}, "keys are text"),
        ({"a\0": 1}, "NUL"),
        ("\udcff", "surrogate"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (Decimal("1.5"), "Decimal"),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime"),
        (object, "type"),
    ],
    ids=str,
)
def test_dumps__what_has_no_json_form__is_refused_and_says_why(value: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        strict_json.dumps({"x": [value]})


def test_dumps__value_that_holds_itself__is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidInput, match="deeper than 32"):
        strict_json.dumps(value)
