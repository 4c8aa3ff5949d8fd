"""Answers with the status of success and anything at all inside: no call of the page's client throws at them,
and none takes them for good.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.helpers.api import PAY
from tests.pages.scripts import call

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

NOTE = {
    "id": "n1", "position": 1, "title": "", "body": "", "category": "orders", "level": "info",
    "created_at": "2026-11-21T02:03:04.567890Z", "read_at": None,
}  # fmt: skip
CHANGE = {
    "change": "notification.created",
    "cursor": "abcdefgh-1",
    "unread_count": 1,
    "notification": NOTE,
}
HEAD = {"cursor": "abcdefgh-1", "unread_count": 1}
ASK = """async ({Api}, [call, body]) => {
  globalThis.fetch = async () => new Response(body, {status: 200});
  const api = new Api("/api/v1/", () => "");
  return (await api[call](...{
    list: [{}, 5], older: ["not an address"], changes: [null], counts: [], setState: ["n1", { read: true }],
    act: [{action: "read", ids: []}],
  }[call])).ok;
}"""
GOOD: dict[str, Any] = {
    "list": {**HEAD, "results": [NOTE], "next": None},
    "older": {**HEAD, "results": [NOTE], "next": "http://hub.invalid/?before=1"},
    "changes": {**HEAD, "changes": [CHANGE], "has_more": False},
    "counts": {"by_category": {}, "unread": 1, "cursor": "abcdefgh-1"},
    "setState": NOTE,
    "act": {"changed": 0},
}


def is_taken(page: Page, name: str, body: str) -> bool:
    """Whether a call takes an answer of 200 with this body."""
    taken: bool = call(page, "api.js", ASK, [name, body])
    return taken


@pytest.mark.parametrize(
    ("actions", "is_good"),
    [
        ([], True),
        ([PAY, PAY], True),
        (None, False),
        ({}, False),
        ("Pay", False),
        ([None], False),
        (["Pay"], False),
        ([PAY | {"label": None}], False),
        ([{"label": "Pay"}], False),
    ],
    ids=str,
)
def test_actions__that_could_not_be_shown__are_a_failure(page: Page, actions: Any, is_good: bool) -> None:
    assert is_taken(page, "setState", json.dumps(NOTE | {"actions": actions})) is is_good


@pytest.mark.parametrize("name", list(GOOD))
def test_answer_of_200__with_something_else_inside__is_a_failure(page: Page, name: str) -> None:
    assert is_taken(page, name, json.dumps(GOOD[name]))
    for body in ("", "<html>Please log in to this network</html>", "null", "[]", "7", '"text"'):
        assert not is_taken(page, name, body), body
    for field in () if name == "act" else GOOD[name]:
        without = {key: value for key, value in GOOD[name].items() if key != field}
        if field != "has_more":
            assert not is_taken(page, name, json.dumps(without)), field


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        (CHANGE, True),
        ({**HEAD, "change": "notification.deleted", "notification": {"id": "n1"}}, True),
        ({**HEAD, "change": "inbox.read", "up_to": 1, "category": None}, True),
        ({**HEAD, "change": "inbox.of_tomorrow"}, True),
        ({**HEAD, "change": "notification.deleted"}, False),
        ({**HEAD, "change": "notification.created", "notification": {"id": "n1"}}, False),
        ({**CHANGE, "cursor": "1"}, False),
        ({**CHANGE, "unread_count": None}, False),
        (None, False),
        ("notification.created", False),
    ],
)
def test_change__by_its_kind__has_what_the_page_needs(page: Page, change: Any, fits: bool) -> None:
    assert call(page, "shapes.js", "({isChange}, change) => isChange(change)", change) is fits


def test_answer_about_anothers_inbox__is_as_good_as_401_and_says_nothing(page: Page) -> None:
    ask = """async ({Api}) => {
      const api = new Api("/api/v1/", () => "");
      const ask = async (inbox) => {
        const counts = {by_category: {}, unread: 1, cursor: "abcdefgh-1", inbox};
        globalThis.fetch = async () => new Response(JSON.stringify(counts), {status: 200});
        const {ok, status, body} = await api.counts();
        return [ok, status, body?.unread ?? null];
      };
      return [await ask("ours"), await ask("theirs"), await ask("ours"), await ask(undefined)];
    }"""
    assert call(page, "api.js", ask) == [[True, 200, 1], [False, 401, None], [True, 200, 1], [True, 200, 1]]
