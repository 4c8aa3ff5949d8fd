"""The admin's list of notifications: what it shows, finds and refuses, and what that costs."""

from __future__ import annotations

import json
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
from notifications.admin.notification_list.notification_admin import NotificationAdmin
from notifications.models import Event, IdempotencyKey, Inbox, Notification
from notifications.selectors.staff.notification_list import keyset_pages
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import LIST, client_of, make_staff, row_of, shown_titles

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert "Withdrawn" in response.content.decode()


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
    now = timezone.now()
    for title, days in (("old", 10), ("recent", 2), ("new", 0)):
        public_id = send(ada, title)
        Event.objects.filter(pk=row_of(public_id).event_id).update(created_at=now - timedelta(days=days))
    assert titles(staff, sent="hour") == ["new"]
    assert titles(staff, sent="week") == ["new", "recent"]
    day = (now - timedelta(days=2)).strftime("%Y-%m-%d")
    assert titles(staff, sent_from=day, sent_to=day) == ["recent"]
    assert titles(staff, sent_to=f"{day}T00:00") == ["old"]
    assert titles(staff, sent_from=f"{day}T00:00") == ["new", "recent"]


def test_search__text__is_a_user_a_topic_a_type_or_else_words(staff: Client, ada: User, grace: User) -> None:
    send(ada, "Your order is on its way", topic="order:7", body="Ask grace about it")
    send(grace, "Your invoice", event=order_event(type_name="billing.invoice.made"))
    assert titles(staff, q="ada") == ["Your order is on its way"]
    assert titles(staff, q="grace") == ["Your invoice"]
    assert titles(staff, q='"grace"') == ["Your order is on its way"]
    assert titles(staff, q="order:7") == ["Your order is on its way"]
    assert titles(staff, q="billing.invoice.made") == ["Your invoice"]
    assert titles(staff, q="YOUR") == ["Your invoice", "Your order is on its way"]
    assert titles(staff, q="way your") == ["Your order is on its way"]
    assert titles(staff, q="your", recipient="grace") == ["Your invoice"]
    assert titles(staff, q="your", category="billing", state="unread") == ["Your invoice"]
    assert titles(staff, q="your billing") == []
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


def test_fields__topic_producer_and_key__find_what_was_sent(staff: Client, ada: User, grace: User) -> None:
    producer = make_user("shop")
    first, second = send(ada, "first", topic="order:7"), send(ada, "second", topic="order:8")
    Event.objects.filter(pk=row_of(second).event_id).update(producer=producer)
    broadcast = services.broadcast(services.Recipients(users=[grace]), order_event(), title="third")
    while services.run_broadcast_chunk():
        pass
    kept = {"producer": producer, "fingerprint": "f", "status": 201, "created_at": timezone.now()}
    job = f"/api/v1/publish/jobs/{broadcast.pk}"
    IdempotencyKey.objects.create(path="/one", key="k1", body=json.dumps({"ids": [str(first)]}), **kept)
    batch = json.dumps({"results": [{"ids": []}, {"ids": [str(second)]}]})
    IdempotencyKey.objects.create(path="/batch", key="k1", body=batch, **kept)
    IdempotencyKey.objects.create(path="/one", key="k2", body="{}", location=job, **kept)
    assert titles(staff, topic="order:7") == ["first"]
    assert titles(staff, producer="shop") == ["second"]
    assert titles(staff, key="k1") == ["second", "first"]
    assert titles(staff, key="k2") == ["third"]
    assert titles(staff, key="k3") == titles(staff, producer="nobody") == []


# --- its pages
# ------------------------------------------------------------------------------------------------------------


def walked(staff: Client, **parameters: Any) -> list[str]:
    """The titles on all pages."""
    found: list[str] = []
    before = ""
    for _ in range(100):
        response = staff.get(LIST, {**parameters, "before": before})
        found += shown_titles(response)
        if not (before := response.context["cl"].page.older):
            return found
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("rows", [3, 50_000])
@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_pages__however_they_are_walked__have_everything_once_and_in_order(
    staff: Client, ada: User, grace: User, monkeypatch: pytest.MonkeyPatch, rows: int, patience: float
) -> None:
    monkeypatch.setattr(NotificationAdmin, "list_per_page", 2)
    monkeypatch.setattr(keyset_pages, "MAX_ROWS", rows)
    monkeypatch.setattr(keyset_pages, "FIRST_EVENTS", 1)
    monkeypatch.setattr(keyset_pages, "LOOK_SECONDS", patience)
    services.notify_many([ada, grace], order_event(), title="0")
    for number in range(1, 6):
        public_id = send(ada, str(number), event=order_event(type_name=f"a{number % 2}.b.c"))
        if number % 2:
            services.mark_read(ada, [public_id])
    now = timezone.now()
    for event in Event.objects.all():  # some of them in one moment
        ago = timedelta(minutes=60 - int(event.title if event.title not in "23" else "4"))
        Event.objects.filter(pk=event.pk).update(created_at=now - ago)
    # To several: an event may have more than a page.
    services.notify_many([ada, grace, make_user("linus")], order_event(type_name="a1.b.c"), title="6")
    everything = ["6", "6", "6", "5", "4", "3", "2", "1", "0", "0"]
    assert walked(staff) == everything
    assert walked(staff, sent="day") == everything
    assert walked(staff, recipient="ada") == ["6", "5", "4", "3", "2", "1", "0"]
    assert walked(staff, category="a1") == ["6", "6", "6", "5", "3", "1"]
    assert walked(staff, category="a1", state="unread") == ["6", "6", "6"]
    assert walked(staff, type="a1.b.*", state="read") == ["5", "3", "1"]
    assert walked(staff, state="read") == ["5", "3", "1"]
    assert walked(staff, q="6") == ["6", "6", "6"]
    assert walked(staff, event=str(Event.objects.get(title="0").pk)) == ["0", "0"]


def test_page__that_found_nothing_yet__offers_to_look_further_back(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset_pages, "MAX_ROWS", 2)
    oldest, *_others = [send(ada, f"order {number}") for number in range(3)]
    services.mark_read(ada, [oldest])
    response = staff.get(LIST, {"state": "read"})
    assert shown_titles(response) == []
    assert "Look further back" in response.content.decode()
    older = response.context["cl"].page.older
    assert titles(staff, state="read", before=older) == ["order 0"]


# --- what it costs
# --------------------------------------------------------------------------------------------------------


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
    assert titles(staff, o="3") == ["a", "b"]


def test_filters__choices__come_from_a_bounded_number_of_events(staff: Client, ada: User) -> None:
    send(ada, "shipped")
    types = [
        query
        for query in queries_of(lambda: staff.get(LIST))
        if query.startswith('SELECT "notification_hub_event"."type"')
    ]
    assert len(types) == 1
    assert "LIMIT 500" in types[0]
    assert "DISTINCT" not in types[0]


# --- who may
# --------------------------------------------------------------------------------------------------------------


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
