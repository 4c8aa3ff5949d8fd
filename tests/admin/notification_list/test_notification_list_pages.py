"""The admin's list of notifications: what it shows, finds and refuses, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications import services
from tests.helpers.factories import send
from tests.helpers.staff import LIST, client_of, make_staff, titles_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "query",
    [
        "?recipient__password__startswith=x",
        "?recipient__password=x",
        "?failure__regex=(",
        "?event__title__regex=(",
        "?position__gt=1",
        "?nonsense=1",
    ],
)
def test_lookup__of_a_column_past_the_filters__is_refused(staff: Client, query: str) -> None:
    assert staff.get(LIST + query).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "?state=odd",
        "?category=Not%20a%20category",
        "?type=..",
        "?event=x",
        "?event=999999999999999999999999",
        "?sent=century",
        "?sent_from=yesterday",
        "?sent_to=2026-13-45",
        "?sent_from=0001-01-01",
        "?sent_to=9999-12-31",
        "?before=x",
        "?before=1.2",
        "?category=orders&before=99999999999999999999.1.1",
        "?category=orders&before=9999999999999999.1.1",
        "?p=0",
        "?p=999999",
        "?recipient=%00",
        "?q=%00",
        "?o=1.2.3",
        "?all=",
        "?_facets=True",
        "?q=" + "x%20" * 500,
        "?q=ada%3A99999999999999999999",
        "?q=ada%3A9999999999999999",
        "?level=odd",
    ],
)
def test_parameter__with_an_impossible_value__is_no_error_of_the_server(
    staff: Client, ada: User, query: str
) -> None:
    send(ada, "shipped")
    assert staff.get(LIST + query, follow=True).status_code in (200, 400)


def test_time__that_is_none__is_said_to_be_none(staff: Client) -> None:
    page = staff.get(LIST, {"sent_from": "yesterday"}, follow=True)
    assert "“yesterday” is not a time" in page.content.decode()


def test_hostile_text__is_shown_as_text(staff: Client, ada: User) -> None:
    send(ada, "<script>alert(1)</script>", topic="\u202e<b>")
    page = staff.get(LIST, {"q": "<script>"}).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


# --- its pages


# --- what it costs


def queries_of(request: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert request().status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_list__any_number_of_rows__costs_the_same_few_queries(staff: Client, ada: User, grace: User) -> None:
    services.delete(ada, [send(ada, "first")])
    few = queries_of(lambda: staff.get(LIST))
    for number in range(60):
        services.delete(grace, [send(grace, f"number {number}")])
    many = queries_of(lambda: staff.get(LIST))
    # Session, user, keys, rows, the deletions' reasons, types to choose from; and an estimate where there are
    # more pages.
    assert (len(few), len(many)) == (6, 7)
    by_event = queries_of(lambda: staff.get(LIST, {"category": "orders", "level": "info"}))
    assert len(by_event) == 7, "events, then their notifications"
    searched = queries_of(lambda: staff.get(LIST, {"q": "number"}))
    assert len(searched) <= 13, (
        "a user, topic or type of that name; on PostgreSQL whether the words are rare, and where"
    )
    every = [*few, *many, *by_event, *searched]
    assert not any("COUNT(" in query for query in every)
    assert not any('"notification_hub_event"."body"' in query for query in few + many + by_event)


def test_list__order__is_the_primary_key_and_cannot_be_changed(staff: Client, ada: User) -> None:
    send(ada, "b")
    send(ada, "a")
    assert titles_of(staff, o="3") == ["a", "b"]


def test_filters__choices__come_from_a_bounded_number_of_events(staff: Client, ada: User) -> None:
    send(ada, "shipped")
    types = [
        query
        for query in queries_of(lambda: staff.get(LIST))
        if query.startswith('SELECT "notification_hub_event"."category"')
    ]
    assert len(types) == 1
    assert "LIMIT 500" in types[0]
    assert "DISTINCT" not in types[0]


# --- who may


@pytest.mark.parametrize(
    ("permissions", "status"),
    [((), 403), (("view_notification",), 200), (("change_notification",), 200), (("add_notification",), 403)],
)
def test_list__is_for_those_who_may_view_or_change(permissions: tuple[str, ...], status: int) -> None:
    assert client_of(make_staff("vera", *permissions)).get(LIST).status_code == status


def test_list__not_staff__is_sent_to_the_login(ada: User) -> None:
    assert client_of(ada).get(LIST).status_code == 302


def test_list__viewer__is_offered_nothing_to_change(ada: User) -> None:
    send(ada, "shipped")
    page = client_of(make_staff("vera", "view_notification")).get(LIST).content.decode()
    assert "Compose a notification" not in page
    assert "delete_selected" not in page
    assert "mark_selected_read" not in page
