"""What staff find in the list of notifications: by state, by what was sent to whom and when, and by words."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import services
from notifications.models import Event, IdempotencyKey, Inbox, Notification
from notifications.selectors.staff.notification_list.criteria import PARAMETERS, BadCriteria, Criteria
from notifications.selectors.staff.notification_list.meaning import conditions_of
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import LIST, row_of, shown_titles, titles_of

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert titles_of(staff, state="staged") == ["due"]
    assert titles_of(staff, state="scheduled") == []


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
    assert titles_of(staff, category="imports") == ["planned", "imported"]
    assert titles_of(staff, type="imports.csv.finished") == ["imported"]
    assert titles_of(staff, type="imports.csv.*") == ["planned", "imported"]
    assert titles_of(staff, level="warning") == ["planned", "imported"]
    assert titles_of(staff, recipient="ada") == ["planned", "shipped"]
    assert titles_of(staff, recipient="ada", level="success", category="orders") == ["shipped"]
    assert titles_of(staff, category="nothing") == []


def test_recipient__unknown__shows_nothing_and_says_why(staff: Client, ada: User) -> None:
    send(ada, "shipped")
    response = staff.get(LIST, {"recipient": "nobody"})
    assert shown_titles(response) == []
    assert "There is no user with this name." in response.content.decode()


def test_time__from_and_to__are_by_the_time_it_was_sent(staff: Client, ada: User) -> None:
    now = timezone.now()
    for title, days in (("old", 10), ("recent", 2), ("new", 0)):
        public_id = send(ada, title)
        Event.objects.filter(pk=row_of(public_id).event_id).update(created_at=now - timedelta(days=days))
    assert titles_of(staff, sent="hour") == ["new"]
    assert titles_of(staff, sent="week") == ["new", "recent"]
    day = (now - timedelta(days=2)).strftime("%Y-%m-%d")
    assert titles_of(staff, sent_from=day, sent_to=day) == ["recent"]
    assert titles_of(staff, sent_to=f"{day}T00:00") == ["old"]
    assert titles_of(staff, sent_from=f"{day}T00:00") == ["new", "recent"]


def test_search__text__is_a_user_a_topic_a_type_or_else_words(staff: Client, ada: User, grace: User) -> None:
    send(ada, "Your order is on its way", topic="order:7", body="Ask grace about it")
    send(grace, "Your invoice", event=order_event(type_name="billing.invoice.made"))
    assert titles_of(staff, q="ada") == ["Your order is on its way"]
    assert titles_of(staff, q="grace") == ["Your invoice"]
    assert titles_of(staff, q='"grace"') == ["Your order is on its way"]
    assert titles_of(staff, q="order:7") == ["Your order is on its way"]
    assert titles_of(staff, q="billing.invoice.made") == ["Your invoice"]
    assert titles_of(staff, q="YOUR") == ["Your invoice", "Your order is on its way"]
    assert titles_of(staff, q="way your") == ["Your order is on its way"]
    assert titles_of(staff, q="your", recipient="grace") == ["Your invoice"]
    assert titles_of(staff, q="your", category="billing", state="unread") == ["Your invoice"]
    assert titles_of(staff, q="your billing") == []
    assert titles_of(staff, q="100%_") == []


def test_search__id_cursor_or_position__finds_exactly_that_one(staff: Client, ada: User, grace: User) -> None:
    first, second = send(ada, "first"), send(ada, "second")
    send(grace, "other")
    services.mark_read(ada, [first])
    epoch = Inbox.objects.get(pk=ada.pk).epoch
    assert titles_of(staff, q=str(second)) == ["second"]
    assert titles_of(staff, q=f"{epoch}-2") == ["second"]
    assert titles_of(staff, q=f"{epoch}-3") == ["first"], "the change at position 3 read the first one"
    assert titles_of(staff, q=f"{epoch}-99") == []
    assert titles_of(staff, q="ada:2") == ["second"]
    assert titles_of(staff, q="grace:1") == ["other"]


def test_search__position_of_an_all_read_change__finds_no_notification(staff: Client, ada: User) -> None:
    send(ada, "first")
    services.mark_all_read(ada)
    assert titles_of(staff, q="ada:2") == []


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
    assert titles_of(staff, topic="order:7") == ["first"]
    assert titles_of(staff, producer="shop") == ["second"]
    assert titles_of(staff, key="k1") == ["second", "first"]
    assert titles_of(staff, key="k2") == ["third"]
    assert titles_of(staff, key="k3") == titles_of(staff, producer="nobody") == []


def test_criteria__stored_and_read_again__are_the_same_whatever_is_asked_for() -> None:
    given = {name: f" {name} 1 " for name in PARAMETERS} | {"unknown": "x", "page": "3"}
    criteria = Criteria.from_parameters(given)
    stored = json.loads(json.dumps(criteria.as_parameters()))
    assert stored == {name: f"{name} 1" for name in PARAMETERS}
    assert Criteria.from_parameters(stored) == criteria
    assert Criteria.from_parameters({}).as_parameters() == {}
    assert not Criteria.from_parameters({"unknown": "x"})


def test_criteria__of_a_span_that_ends_now__keep_when_it_began() -> None:
    now = timezone.now()
    fixed = Criteria(sent="day", level="error").fixed_at(now)
    assert fixed == Criteria(sent_from=(now - timedelta(days=1)).isoformat(), level="error")
    assert fixed.fixed_at(now + timedelta(hours=1)) == fixed


def test_conditions__that_cannot_be_read__leave_the_others_and_fail_a_check(ada: User) -> None:
    send(ada, "one")
    conditions = conditions_of(Criteria(state="lost", recipient="ada"), may_search_content=True)
    assert conditions.matching().count() == 1
    with pytest.raises(BadCriteria, match="lost"):
        conditions.check()


def test_conditions__words__find_nothing_for_who_may_not_search_content(ada: User) -> None:
    send(ada, "Parcel")
    criteria = Criteria(search="parcel")
    assert conditions_of(criteria, may_search_content=True).matching().count() == 1
    refused = conditions_of(criteria, may_search_content=False)
    assert (refused.matching().count(), refused.searched_as) == (0, "refused")
