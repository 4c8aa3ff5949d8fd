"""The pages of the list of notifications: complete and in order, however they are walked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import services
from notifications.admin.notification_list.notification_admin import NotificationAdmin
from notifications.models import Event
from notifications.selectors.staff.notification_list import keyset_pages
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import LIST, shown_titles, titles_of

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert "Search further back" in response.content.decode()
    older = response.context["cl"].page.older
    assert titles_of(staff, state="read", before=older) == ["order 0"]
