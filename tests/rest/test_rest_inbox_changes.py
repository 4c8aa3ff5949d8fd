"""The polling delta: it resumes exactly, or says that it cannot."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from notifications import change_kinds, payloads, selectors, services
from notifications.conf import hub_config
from notifications.models import Inbox
from tests.helpers.api import Api
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import Client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def epoch(ada: User) -> str:
    return services.open_inbox(ada.pk).epoch


def live_a_little(user: User) -> list[UUID]:
    """Every kind of change once and more; nine positions."""
    ids = [
        send(user),
        send(user, event=order_event(type_name="imports.run.finished"), level="success", topic="run:1"),
        send(user, event=order_event(type_name="alerts.login.new"), level="warning"),
    ]
    services.mark_read(user, ids[:1])
    services.mark_unread(user, ids[:1])
    services.mark_all_read(user, category="imports")
    services.delete(user, ids[2:])
    send(user, topic="run:1")
    services.mark_all_read(user)
    return ids


def test_changes__without_after__are_none_and_the_head(api: Api, ada: User, epoch: str) -> None:
    live_a_little(ada)
    answer = api.get("/changes")
    assert answer.json == {"changes": [], "cursor": f"{epoch}-9", "has_more": False, "unread_count": 0,
                           "inbox": payloads.inbox_name(ada.pk)}  # fmt: skip
    assert int(answer.headers["X-Poll-Interval"]) >= hub_config().poll_interval_seconds


def test_changes__after_the_head__are_none(api: Api, ada: User, epoch: str) -> None:
    live_a_little(ada)
    answer = api.get("/changes", {"after": f"{epoch}-9"}).json
    assert (answer["changes"], answer["cursor"], answer["has_more"]) == ([], f"{epoch}-9", False)


def test_changes__have_the_bytes_of_their_frames(api: Api, ada: User, epoch: str) -> None:
    live_a_little(ada)
    body = api.get("/changes", {"after": f"{epoch}-0"}).body
    rows = selectors.changes_after(ada.pk, after=0, up_to=9, limit=100)
    joined = b",".join(payloads.change_json(row, epoch) for row in rows)
    assert len(rows) == 9
    assert body.startswith(b'{"changes":[' + joined + b'],"cursor":')


def test_changes__folded_from_a_list_and_its_cursor__give_the_next_list(api: Api, ada: User) -> None:
    send(ada)
    listed = api.get().json
    client = Client(
        {item["id"]: item for item in listed["results"]},
        int(listed["cursor"].split("-")[1]),
        listed["unread_count"],
    )
    live_a_little(ada)
    for change in api.get("/changes", {"after": listed["cursor"]}).json["changes"]:
        client.fold(change)
    fresh = api.get().json
    assert client.items == {item["id"]: item for item in fresh["results"]}
    assert client.unread_count == fresh["unread_count"]


@pytest.mark.parametrize("limit", [1, 2, 4, 8, 9, 500])
def test_changes__in_parts__are_the_log_once(api: Api, ada: User, epoch: str, limit: int) -> None:
    live_a_little(ada)
    cursor, seen, parts = f"{epoch}-0", [], 0
    has_more = True
    while has_more:
        part = api.get("/changes", {"after": cursor, "limit": limit}).json
        cursor, has_more = part["cursor"], part["has_more"]
        seen += [change["position"] for change in part["changes"]]
        parts += 1
        assert len(part["changes"]) <= limit
    assert seen == list(range(1, 10))
    assert cursor == f"{epoch}-9"
    assert parts == -(-9 // limit)


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("category=orders", [1, 4, 5, 6, 8, 9]),
        ("category=imports", [2, 6, 9]),
        ("category=alerts", [3, 6, 7, 9]),
        ("type=orders.*,alerts.login.new", [1, 3, 4, 5, 6, 7, 8, 9]),
        ("topic=run:1", [2, 6, 8, 9]),
        ("topic=run:1&category=orders", [6, 8, 9]),
        ("level=warning", [3, 6, 7, 9]),
        ("category=nothing", [6, 9]),
    ],
)
def test_filters__hide_what_does_not_match_but_never_inbox_read(
    api: Api, ada: User, epoch: str, query: str, positions: list[int]
) -> None:
    live_a_little(ada)
    answer = api.get(f"/changes?after={epoch}-0&{query}").json
    assert [change["position"] for change in answer["changes"]] == positions
    assert answer["cursor"] == f"{epoch}-9"


def test_filters__that_admit_nothing_new__still_move_the_cursor_to_the_head(
    api: Api, ada: User, epoch: str
) -> None:
    for _ in range(4):
        send(ada)
    answer = api.get("/changes", {"after": f"{epoch}-0", "category": "imports", "limit": 1}).json
    assert answer == {"changes": [], "cursor": f"{epoch}-4", "has_more": False, "unread_count": 4,
                      "inbox": payloads.inbox_name(ada.pk)}  # fmt: skip


def test_filters__with_more_to_come__stop_at_the_last_that_was_sent(api: Api, ada: User, epoch: str) -> None:
    for category in ("orders", "imports", "orders", "imports", "orders", "imports"):
        send(ada, event=order_event(type_name=f"{category}.a.b"))
    params = {"after": f"{epoch}-0", "category": "orders", "limit": 2}
    first = api.get("/changes", params).json
    assert ([c["position"] for c in first["changes"]], first["cursor"], first["has_more"]) == (
        [1, 3], f"{epoch}-3", True,
    )  # fmt: skip
    second = api.get("/changes", params | {"after": first["cursor"]}).json
    assert ([c["position"] for c in second["changes"]], second["cursor"], second["has_more"]) == (
        [5], f"{epoch}-6", False,
    )  # fmt: skip


def test_cursor__of_another_epoch__is_gone(api: Api, ada: User, epoch: str) -> None:
    other = services.open_inbox(make_user().pk).epoch
    answer = api.get("/changes", {"after": f"{other}-0"})
    assert (answer.status, answer.code, answer.problem["cursor"]) == (410, "cursor_epoch", f"{epoch}-0")
    assert int(answer.headers["X-Poll-Interval"]) >= hub_config().poll_interval_seconds


def test_cursor__ahead_of_the_head__is_gone(api: Api, ada: User, epoch: str) -> None:
    send(ada)
    answer = api.get("/changes", {"after": f"{epoch}-2"})
    assert (answer.status, answer.code, answer.problem["cursor"]) == (410, "cursor_ahead", f"{epoch}-1")


def test_cursor__below_the_floor__is_gone_and_at_it_is_not(api: Api, ada: User, epoch: str) -> None:
    for _ in range(4):
        send(ada)
    Inbox.objects.filter(pk=ada.pk).update(floor=2)
    answer = api.get("/changes", {"after": f"{epoch}-1"})
    assert (answer.status, answer.code, answer.problem["cursor"]) == (410, "cursor_expired", f"{epoch}-4")
    assert [c["position"] for c in api.get("/changes", {"after": f"{epoch}-2"}).json["changes"]] == [3, 4]


@pytest.mark.parametrize(
    "after",
    [
        "", "0", "-1", "earliest", "now", "aaaaaaaa", "aaaaaaaa-", "aaaaaaaa-01", "aaaaaaaa--1",
        "aaaaaaaa-1.0", "AAAAAAAA-1", "aaaaaaa1-1", "aaaaaaaaa-1", "aaaaaaaa-1\n", " aaaaaaaa-1",
        "aaaaaaaa-٣", "aaaaaaaa-" + "9" * 17, "a" * 100_000,
    ],
)  # fmt: skip
def test_cursor__malformed__is_a_bad_request(api: Api, after: str) -> None:
    answer = api.get("/changes", {"after": after})
    assert (answer.status, answer.code) == (400, "cursor_malformed")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "limit=", "category=A", "level=x", "topic=%00", "type=a..b"]
)
def test_query__bad__is_refused_with_the_field_named(api: Api, query: str) -> None:
    answer = api.get(f"/changes?{query}")
    assert (answer.status, answer.code) == (400, "invalid")
    assert set(answer.problem["errors"]) <= {query.split("=")[0], "query"}


def test_changes__ask_the_database_twice(
    api: Api, ada: User, epoch: str, django_assert_num_queries: Any
) -> None:
    live_a_little(ada)
    with django_assert_num_queries(4):  # the session, its user, the inbox, the log
        api.get("/changes", {"after": f"{epoch}-0", "category": "orders", "wait": "25"})
    for idle in ({}, {"after": f"{epoch}-9"}):
        with django_assert_num_queries(3):
            api.get("/changes", idle)


def test_changes__in_the_first_request_ever__make_the_inbox(ada: User) -> None:
    user = make_user()
    answer = Api(user).get("/changes").json
    assert answer["cursor"] == f"{services.open_inbox(user.pk).epoch}-0"


def test_a_change_that_cannot_be_rendered__breaks_nothing_but_itself(
    api: Api, ada: User, epoch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_a_little(ada)
    whole = json.loads(api.get("/changes", {"after": f"{epoch}-0"}).body)["changes"]
    monkeypatch.delitem(change_kinds.CHANGE_NAMES, "unread")
    answer = api.get("/changes", {"after": f"{epoch}-0"}).json
    assert answer["changes"] == [change for change in whole if change["change"] != "notification.unread"]
    assert answer["cursor"] == f"{epoch}-9"
