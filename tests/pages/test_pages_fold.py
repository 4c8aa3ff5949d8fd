"""The page's fold against a model of an inbox written from the protocol's words, over random histories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from notifications.change_kinds import CHANGE_NAMES, OBJECT_KINDS
from tests.helpers.oracle import ALL_READ, AllReadCase, Client
from tests.pages.scripts import call

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

EPOCH = "abcdefgh"
CATEGORIES = ("orders", "imports", "security")


class World:
    """An inbox and its log: what the hub would list and send."""

    def __init__(self, *acts: tuple[str, int, str | None], count: int = 0) -> None:
        self.log: list[dict[str, Any]] = []
        self.client = Client()
        for number in range(count):
            self.act("create", number, None)
        self.do(acts)

    def do(self, acts: Iterable[tuple[str, int, str | None]]) -> None:
        """Act several times."""
        for act in acts:
            self.act(*act)

    def act(self, verb: str, number: int, category: str | None) -> None:
        """Do something that takes a position; what would change nothing is left out."""
        items = sorted(self.client.items.values(), key=lambda item: int(item["position"]))
        chosen = items[number % len(items)] if items else None
        if verb == "create":
            self._log("notification.created", notification=self._new(CATEGORIES[number % 3]))
        elif verb == "read_all" and items:
            up_to = number % (len(self.log) + 1)
            self._log("inbox.read", up_to=up_to, category=category)
        elif verb == "delete" and chosen:
            self._log("notification.deleted", notification={"id": chosen["id"]}, reason="user")
        elif verb == "read" and chosen and chosen["read_at"] is None:
            self._log("notification.read", notification={**chosen, "read_at": self._now()})
        elif verb == "archive" and chosen and chosen["archived_at"] is None:
            read_at = chosen["read_at"] or self._now()
            self._log(
                "notification.archived",
                notification={**chosen, "read_at": read_at, "archived_at": self._now()},
            )
        elif verb in ("unarchive", "unread") and chosen and chosen["archived_at"] is not None:
            read_at = None if verb == "unread" else chosen["read_at"]
            self._log(
                "notification.unarchived", notification={**chosen, "read_at": read_at, "archived_at": None}
            )
        elif verb == "unread" and chosen and chosen["read_at"] is not None:
            self._log("notification.unread", notification={**chosen, "read_at": None})

    def listing(
        self, *, floor: int = 0, unread: bool = False, archived: bool = False, category: str | None = None
    ) -> list[Any]:
        """What a fresh list shows, newest first, down to a position."""
        shown = [
            item
            for item in self.client.items.values()
            if item["position"] >= floor
            and (item["archived_at"] is not None) is archived
            and not (unread and item["read_at"] is not None)
            and category in (None, item["category"])
        ]
        return sorted(shown, key=lambda item: int(item["position"]), reverse=True)

    def page(self, *, limit: int | None = None, below: int | None = None, **filters: Any) -> dict[str, Any]:
        """One page of it as the REST interface answers."""
        items = [item for item in self.listing(**filters) if below is None or item["position"] < below]
        results = items if limit is None else items[:limit]
        more = len(items) > len(results)
        cursor = f"{EPOCH}-{len(self.log)}"
        return {"results": results, "next": "more" if more else None, "cursor": cursor, "unread_count": 0}

    def _new(self, category: str) -> dict[str, Any]:
        position = len(self.log) + 1
        return {
            "id": f"n{position}",
            "position": position,
            "category": category,
            "read_at": None,
            "archived_at": None,
        }

    def _now(self) -> str:
        return f"at-{len(self.log) + 1}"

    def _log(self, change: str, **rest: Any) -> None:
        position = len(self.log) + 1
        base = {"change": change, "cursor": f"{EPOCH}-{position}", "position": position, "at": self._now()}
        self.log.append({**base, "unread_count": 0, **rest})
        self.client.fold(self.log[-1])


acts = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "create", "create", "read", "unread", "archive", "unarchive", "delete", "read_all"]
        ),
        st.integers(0, 40),
        st.sampled_from([None, *CATEGORIES]),
    ),
    max_size=25,
)
filters = st.fixed_dictionaries(
    {}, optional={"unread": st.just(True), "archived": st.just(True), "category": st.sampled_from(CATEGORIES)}
)

FOLD = """({openWindow, offer, listed}, {page, changes, filter}) => {
    const window = openWindow(page);
    const outcomes = changes.map((change) => offer(window, change));
    return {items: listed(window, filter), cursor: window.cursor, outcomes};
}"""
FOLD_TWO_PAGES = """({openWindow, addOlderPage, offer, listed}, {page, seen, older, held}) => {
    const window = openWindow(page);
    seen.forEach((change) => offer(window, change));
    if (older) addOlderPage(window, older);
    held.forEach((change) => offer(window, change));
    return {items: listed(window, {}), floor: window.floor};
}"""


@given(count=st.integers(0, 15), before=acts, after=acts, repeats=st.integers(0, 20), chosen=filters)
@settings(max_examples=60, deadline=None)
def test_fold__list_and_changes_with_repeats__is_what_a_fresh_list_shows(
    page: Page, count: int, before: list[Any], after: list[Any], repeats: int, chosen: dict[str, Any]
) -> None:
    world = World(*before, count=count)
    listing, start = world.page(archived="archived" in chosen), len(world.log)
    world.do(after)
    # Frames of before the list may still come, and any frame may come again.
    changes = world.log[max(0, start - repeats) :]
    changes = changes + changes[-repeats:] if repeats else changes
    folded = call(page, "fold.js", FOLD, {"page": listing, "changes": changes, "filter": chosen})
    assert folded["items"] == world.listing(**chosen)
    assert folded["cursor"] == f"{EPOCH}-{len(world.log)}"
    assert folded["outcomes"].count("applied") == len(world.log) - start


@given(
    count=st.integers(0, 15),
    before=acts,
    seen=acts,
    during=acts,
    after=acts,
    limit=st.integers(1, 6),
    lag=st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_fold__older_page_fetched_beside_the_stream__is_what_a_fresh_list_shows_down_to_it(
    page: Page,
    count: int,
    before: list[Any],
    seen: list[Any],
    during: list[Any],
    after: list[Any],
    limit: int,
    lag: int,
) -> None:
    world = World(*before, count=count)
    newest, start = world.page(limit=limit), len(world.log)
    world.do(seen)
    # The stream may be behind the list: what it has not brought yet comes after the page, and is in it
    # already.
    brought = max(start, len(world.log) - lag)
    world.do(during)
    below = newest["results"][-1]["position"] if newest["next"] else None
    older = world.page(limit=limit, below=below) if below else None
    world.do(after)
    history = {
        "page": newest, "seen": world.log[start:brought], "older": older, "held": world.log[brought:],
    }  # fmt: skip
    folded = call(page, "fold.js", FOLD_TWO_PAGES, history)
    assert folded["items"] == world.listing(floor=folded["floor"])
    if older is None or older["next"] is None:
        assert folded["floor"] == 0


def test_fold__change_of_another_epoch__is_refused_and_leaves_everything(page: Page) -> None:
    world = World(count=1)
    listing = world.page()
    world.act("delete", 0, None)
    foreign = {**world.log[-1], "cursor": "zzzzzzzz-2"}
    folded = call(page, "fold.js", FOLD, {"page": listing, "changes": [foreign], "filter": {}})
    assert folded == {"items": listing["results"], "cursor": listing["cursor"], "outcomes": ["foreign"]}


def test_fold__unknown_change__moves_only_the_cursor(page: Page) -> None:
    world = World(count=1)
    unknown = {"change": "notification.starred", "cursor": f"{EPOCH}-2", "position": 2, "at": "at-2"}
    folded = call(page, "fold.js", FOLD, {"page": world.page(), "changes": [unknown], "filter": {}})
    assert folded == {"items": world.listing(), "cursor": f"{EPOCH}-2", "outcomes": ["applied"]}


def of_inbox(position: int, change: str, **rest: Any) -> dict[str, Any]:
    """A change as the wire has it."""
    cursor = f"{EPOCH}-{position}"
    return {"change": change, "cursor": cursor, "position": position, "at": f"at-{position}", **rest}


@pytest.mark.parametrize("case", ALL_READ.values(), ids=ALL_READ)
def test_fold__all_read__takes_along_what_the_hub_does(page: Page, case: AllReadCase) -> None:
    item = {"id": "n", "position": case.created, "category": "orders", "read_at": None, "archived_at": None}
    own = of_inbox(case.newest, "notification.unread", notification=item)
    of_many = of_inbox(case.position, "inbox.read", up_to=case.up_to, category=case.category or None)
    changes = sorted([own, of_many], key=lambda change: change["position"])
    empty: dict[str, Any] = {"results": [], "next": None, "cursor": f"{EPOCH}-0", "unread_count": 0}
    folded = call(page, "fold.js", FOLD, {"page": empty, "changes": changes, "filter": {}})
    assert [found["read_at"] for found in folded["items"]] == [
        f"at-{case.position}" if case.is_read else None
    ]


@pytest.mark.parametrize("kind", OBJECT_KINDS)
def test_fold__change_with_an_object__puts_it_in_as_it_is(page: Page, kind: str) -> None:
    world = World(count=1)
    item = {**world.listing()[0], "read_at": "at-2"}
    change = of_inbox(2, CHANGE_NAMES[kind], notification=item)
    folded = call(page, "fold.js", FOLD, {"page": world.page(), "changes": [change], "filter": {}})
    assert folded["items"] == [item]
