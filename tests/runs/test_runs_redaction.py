"""Redaction (protocol, section 9): each secret is found, and nothing else is touched."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.runs.redaction import REDACTED, SECRET_ENDINGS, Redaction
from tests.runs.random_runs import values

pytestmark = pytest.mark.shape("embedded")

REDACTION = Redaction()
SECRET = "s3cr3t-value"
PUBLIC = "monkey"

secret_keys = st.builds(
    lambda start, ending, mark, turn: turn(start + ending.replace("_", mark)),
    st.sampled_from(["", "db_", "X-", "my ", "client"]),
    st.sampled_from(SECRET_ENDINGS),
    st.sampled_from(["_", "-", "", "__"]),
    st.sampled_from([str.lower, str.upper, str.title]),
)
WRAPS = [
    lambda inner: {PUBLIC: inner},
    lambda inner: [1, inner],
    lambda inner: (inner, {}),
    lambda inner: {PUBLIC: json.dumps(inner)} if isinstance(inner, (dict, list)) else [inner],
    lambda inner: f"  {json.dumps([inner])}\n",
]


@pytest.mark.parametrize(
    "key",
    [
        *SECRET_ENDINGS,
        "Access-Token",
        "X-API-KEY",
        "apiKey",
        "dbPassword",
        "id_token",
        "Set-Cookie",
        "PRIVATE-key",
        "client_secret",
        "monkey token",
    ],
)
def test_key__that_ends_in_a_secret_word__is_secret(key: str) -> None:
    assert REDACTION.redact({key: SECRET}) == {key: REDACTED}


@pytest.mark.parametrize(
    "key", ["tokens", "max_tokens", "token_count", "secretary", "cookies", "key", "pass", ""]
)
def test_key__that_does_not__is_not(key: str) -> None:
    assert REDACTION.redact({key: SECRET}) == {key: SECRET}


@pytest.mark.parametrize("value", [None, 7, True, [1], {"a": 1}, ""])
def test_value__whatever_it_is__is_blanked(value: Any) -> None:
    assert REDACTION.redact({"token": value}) == {"token": REDACTED}


@given(
    key=secret_keys,
    wraps=st.lists(st.sampled_from(WRAPS), max_size=12),
    beside=values,
    value=st.sampled_from([SECRET, [SECRET], {"x": SECRET}]),
)
def test_secret__at_any_depth_and_in_texts_of_json__is_found(
    key: str, wraps: list[Any], beside: Any, value: Any
) -> None:
    secret: Any = {"beside": beside, key: value}
    for wrap in wraps:
        secret = wrap(secret)
    assert SECRET not in json.dumps(REDACTION.redact(secret))


@given(value=values)
def test_value__without_secret_keys__stays_as_it_is(value: Any) -> None:
    assert json.dumps(REDACTION.redact(value)) == json.dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "the token is hunter2, and so is the password",
        '{"token": "not JSON",}',
        '"token"',
        '{"max_tokens" : 1.10, "n":  1e5}',
        "[a link](https://example.com/)",
        "[" * 3,
    ],
)
def test_text__that_is_no_object_with_secrets__stays_as_it_was_written(text: str) -> None:
    assert REDACTION.redact([text]) == [text]


def test_text__with_a_secret__is_written_again_with_the_rest_in_it() -> None:
    text = '{"a": [1, 2.50, "ä"], "token": "x", "b": "\\ud800\\u0000", "n": 12345678901234567890}'
    clean = REDACTION.redact(text)
    assert json.loads(clean) == json.loads(text) | {"token": REDACTED}
    assert clean.isascii()


@pytest.mark.parametrize(
    "text",
    [
        f'{{"token": "{SECRET}", "token": 1}}',
        f'{{"a": {{"token": "{SECRET}"}}, "a": 1}}',
        f'[{{"a": "{SECRET}", "a": {{"password": "{SECRET}"}}}}]',
        f'{{"n": {"1" * 5_000}, "token": "{SECRET}"}}',
        f'{{"n": NaN, "token": "{SECRET}"}}',
        "[" * 40 + f'{{"token": "{SECRET}"}}' + "]" * 40,
        "[" * 5_000 + f'{{"token": "{SECRET}"}}' + "]" * 5_000,
        '{"a":' * 5_000 + f'{{"token": "{SECRET}"}}' + "}" * 5_000,
    ],
    ids=["twice", "hidden by its namesake", "nested namesake", "numeral", "NaN", "deep", "lists", "objects"],
)
def test_hostile_text__hides_nothing(text: str) -> None:
    assert SECRET not in json.dumps(REDACTION.redact({"result": text}))


def test_endings__are_a_setting() -> None:
    redaction = Redaction(["Pin-Code", ""])
    assert redaction.redact({"my_pincode": 1, "token": 2}) == {"my_pincode": REDACTED, "token": 2}
    assert Redaction([]).redact({"token": 2}) == {"token": 2}


def test_copy__shares_nothing_with_what_was_given() -> None:
    given: dict[str, Any] = {"a": [{"b": (1,)}]}
    copy = REDACTION.redact(given)
    given["a"][0]["b"] = 2
    assert copy == {"a": [{"b": [1]}]}


def test_texts_in_texts__take_time_in_proportion() -> None:
    def seconds(text: str) -> float:
        began = time.perf_counter()
        REDACTION.redact(text)
        return time.perf_counter() - began

    nested: Any = {"token": SECRET}
    for _ in range(14):  # each time the quotes are escaped once more
        nested = json.dumps([nested])
    flat = json.dumps([{"a": "x" * 20} for _ in range(len(nested) // 30)])
    quickest = [min(seconds(text) for _ in range(5)) for text in (nested, flat)]
    assert SECRET not in REDACTION.redact(nested)
    assert quickest[0] < 100 * quickest[1]
