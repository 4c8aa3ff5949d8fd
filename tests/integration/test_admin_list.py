"""The admin's list of notifications: what it shows, finds and refuses, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.admin import paginator, search
from notifications.models import Event, Inbox, Notification
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import LIST, client_of, make_staff, row_of, shown_titles

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def grace() -> User:
    return make_user("grace")


@pytest.fixture
def staff() -> Client:
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def titles(staff: Client, **parameters: Any) -> list[str]:
    return shown_titles(staff.get(LIST, parameters))


@pytest.fixture
def one_in_each_state(ada: User) -> None:
    """Titles are the names of the states."""
    for title in ("unread", "read", "deleted"):
        public_id = send(ada, title)
        if title == "read":
            services.mark_read(ada, [public_id])
        if title == "deleted":
            services.delete(ada, [public_id], reason="withdrawn")
    send(ada, "scheduled", deliver_at=timezone.now() + timedelta(hours=1))
    Notification.objects.create(recipient=ada, event=Event.objects.create(type="a.b", title="staged"))
    failed = Event.objects.create(type="a.b", title="failed")
    Notification.objects.create(
        recipient=ada, event=failed, failed_at=timezone.now(), failure="title: must not be empty"
    )


@pytest.mark.usefixtures("one_in_each_state")
@pytest.mark.parametrize("state", ["unread", "read", "deleted", "scheduled", "staged", "failed"])
def test_state__filtered__shows_exactly_the_ones_in_it_and_says_so(staff: Client, state: str) -> None:
    response = staff.get(LIST, {"state": state})
    assert shown_titles(response) == [state]
    assert f"hub-chip-{state}" in response.content.decode()


@pytest.mark.usefixtures("one_in_each_state")
def test_list__unfiltered__shows_every_state_newest_first_and_why_one_was_deleted(staff: Client) -> None:
    response = staff.get(LIST)
    assert shown_titles(response) == ["failed", "staged", "scheduled", "deleted", "read", "unread"]
    assert "Withdrawn by its producer" in response.content.decode()


def test_scheduled__due_but_not_yet_sequenced__counts_as_staged(staff: Client, ada: User) -> None:
    event = Event.objects.create(type="a.b", title="due")
    Notification.objects.create(recipient=ada, event=event, deliver_at=timezone.now() - timedelta(seconds=1))
    assert titles(staff, state="staged") == ["due"]
    assert titles(staff, state="scheduled") == []


def test_filters__of_what_it_is_about__find_staged_ones_too(staff: Client, ada: User, grace: User) -> None:
    send(ada, "shipped", level="success")
    send(grace, "imported", event=order_event(type_name="imports.csv.finished"), level="warning")
    send(
        ada,
        "planned",
        event=order_event(type_name="imports.csv.planned"),
        level="warning",
        deliver_at=timezone.now() + timedelta(hours=1),
    )
    assert titles(staff, category="imports") == ["planned", "imported"]
    assert titles(staff, type="imports.csv.finished") == ["imported"]
    assert titles(staff, type="imports.csv.*") == ["planned", "imported"]
    assert titles(staff, level="warning") == ["planned", "imported"]
    assert titles(staff, recipient="ada") == ["planned", "shipped"]
    assert titles(staff, recipient="ada", level="success", category="orders") == ["shipped"]
    assert titles(staff, category="nothing") == []


def test_recipient__unknown__shows_nothing_and_says_why(staff: Client, ada: User) -> None:
    send(ada, "shipped")
    response = staff.get(LIST, {"recipient": "nobody"})
    assert shown_titles(response) == []
    assert "There is no user of this name." in response.content.decode()


def test_time__from_and_to__are_by_the_time_it_was_sent(staff: Client, ada: User) -> None:
    for title, days in (("old", 10), ("recent", 2), ("new", 0)):
        public_id = send(ada, title)
        at = timezone.now() - timedelta(days=days)
        Event.objects.filter(pk=row_of(public_id).event_id).update(created_at=at)
    assert titles(staff, sent="hour") == ["new"]
    assert titles(staff, sent="week") == ["new", "recent"]
    day = (timezone.now() - timedelta(days=2)).strftime("%Y-%m-%d")
    assert titles(staff, sent_from=day, sent_to=day) == ["recent"]
    assert titles(staff, sent_to=f"{day}T00:00") == ["old"]
    assert titles(staff, sent_from=f"{day}T00:00") == ["new", "recent"]


def test_search__words__all_have_to_stand_somewhere(staff: Client, ada: User, grace: User) -> None:
    send(ada, "Your order is on its way", topic="order:7")
    send(grace, "Your invoice", event=order_event(type_name="billing.invoice.made"))
    assert titles(staff, q="ADA") == ["Your order is on its way"]
    assert titles(staff, q="your") == ["Your invoice", "Your order is on its way"]
    assert titles(staff, q="billing grace") == ["Your invoice"]
    assert titles(staff, q="billing ada") == []
    assert titles(staff, q="order:7") == ["Your order is on its way"]
    assert titles(staff, q="100%_") == []


def test_search__id_cursor_or_position__finds_exactly_that_one(staff: Client, ada: User, grace: User) -> None:
    first, second = send(ada, "first"), send(ada, "second")
    send(grace, "other")
    services.mark_read(ada, [first])
    epoch = Inbox.objects.get(pk=ada.pk).epoch
    assert titles(staff, q=str(second)) == ["second"]
    assert titles(staff, q=f"{epoch}-2") == ["second"]
    assert titles(staff, q=f"{epoch}-3") == ["first"], "the change at position 3 read the first one"
    assert titles(staff, q=f"{epoch}-99") == []
    assert titles(staff, q="ada:2") == ["second"]
    assert titles(staff, q="grace:1") == ["other"]


def test_search__position_of_an_all_read_change__finds_no_notification(staff: Client, ada: User) -> None:
    send(ada, "first")
    services.mark_all_read(ada)
    assert titles(staff, q="ada:2") == []


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


def test_search__words__in_a_great_many__looks_through_the_newest_unless_narrowed(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEARCH_WINDOW", 2)
    oldest, *_others = [send(ada, f"order {number}") for number in range(3)]
    response = staff.get(LIST, {"q": "order"})
    assert shown_titles(response) == ["order 2", "order 1"]
    assert "Looked through the newest 2 notifications." in response.content.decode()
    assert titles(staff, q="order", recipient="ada") == ["order 2", "order 1", "order 0"]
    assert titles(staff, q=str(oldest)) == ["order 0"]


# --- what it costs --------------------------------------------------------------------------------------------------------


def queries_of(request: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert request().status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_list__any_number_of_rows__costs_the_same_few_queries(staff: Client, ada: User, grace: User) -> None:
    send(ada, "first")
    few = queries_of(lambda: staff.get(LIST))
    for number in range(30):
        services.delete(grace, [send(grace, f"number {number}")])
    many = queries_of(lambda: staff.get(LIST))
    # Session, user, page, count, types to choose from, and the deletions' reasons once there is something deleted.
    assert len(few) == len(many) == 6
    assert not any("body" in query for query in many), "only the page of one shows it"


def test_list__counting__stops_at_the_limit(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paginator, "MAX_COUNT", 60)
    services.notify_many([ada], order_event(), title="one")
    event = Event.objects.get()
    Notification.objects.bulk_create(Notification(recipient=ada, event=event) for _ in range(80))
    counts = [query for query in queries_of(lambda: staff.get(LIST)) if "COUNT(" in query]
    assert len(counts) == 1
    assert "LIMIT 61" in counts[0]
    assert "JOIN" not in counts[0]
    page = staff.get(LIST, {"p": 2})
    assert len(page.context["cl"].result_list) == 10
    assert "more than 60" in page.content.decode()


def test_list__order__is_the_primary_key_and_cannot_be_changed(staff: Client, ada: User) -> None:
    send(ada, "b")
    send(ada, "a")
    assert titles(staff, o="3") == ["a", "b"]


def test_filters__choices__come_from_a_bounded_number_of_events(staff: Client, ada: User) -> None:
    send(ada, "shipped")
    types = [
        query
        for query in queries_of(lambda: staff.get(LIST))
        if query.startswith('SELECT "notifications_event"."type"')
    ]
    assert len(types) == 1
    assert "LIMIT 500" in types[0]
    assert "DISTINCT" not in types[0]


# --- who may --------------------------------------------------------------------------------------------------------------


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
    assert "Send a notification" not in page
    assert "delete_selected" not in page
    assert "mark_selected_read" not in page
