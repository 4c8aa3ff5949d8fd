"""Erasing content: gone from everywhere that had it, for whom it is meant, with the positions where they
were.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications import services
from notifications.models import Change, Event, Inbox, Notification
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import ADDRESS, client_of, make_staff, messages_of, page_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)

SECRET: dict[str, Any] = {
    "title": "Zebra", "body": "Zebra", "url": "/zebra/", "actor": "zebra",
    "actions": [{"label": "Zebra", "url": "/zebra/"}],
}  # fmt: skip


@pytest.fixture
def staff() -> Client:
    return client_of(make_staff("vera", "view_notification", "view_content", "erase"))


def shown_to(user: User) -> str:
    """All that an API client of the user can read."""
    client = Client()
    client.force_login(user)
    epoch = services.open_inbox(user.pk).epoch
    paths = ("", f"/changes?after={epoch}-0")
    return "".join(client.get(f"/api/v1/notifications{path}").content.decode() for path in paths)


def test_erase__one_copy__is_blank_for_its_recipient_and_whole_for_others(
    staff: Client, ada: User, grace: User
) -> None:
    first, other = services.notify_many([ada, grace], order_event(), **SECRET)
    services.mark_read(ada, [first])
    with assert_converges(ada), assert_converges(grace):
        response = staff.post(page_of(first, "erase"), {"scope": "one", "reason": "asked for"}, follow=True)
    assert messages_of(response) == ["The content of 1 notification was erased."]
    assert "The content was erased." in response.content.decode()
    assert "zebra" not in shown_to(ada).lower()
    assert "zebra" in shown_to(grace).lower()
    changes = Change.objects.filter(inbox_id=ada.pk).select_related("event").order_by("position")
    assert [(change.position, change.kind, change.reason) for change in changes] == [
        (1, "created", ""), (2, "read", ""), (3, "deleted", "erased")
    ]  # fmt: skip
    assert {(change.event.title, change.event.type) for change in changes if change.event} == {
        ("", "orders.order.shipped")
    }
    assert (changes[2].by, changes[2].via, changes[2].address) == ("vera", "admin", ADDRESS)
    assert row_of(other).event.title == "Zebra"
    log = LogEntry.objects.get()
    assert log.get_change_message() == "Content erased for this recipient: asked for"
    assert "zebra" not in f"{log.object_repr}{log.change_message}".lower()


def test_erase__an_event__is_blank_for_all_and_never_reaches_those_to_come(
    staff: Client, ada: User, grace: User
) -> None:
    first, _other = services.notify_many([ada, grace], order_event(), **SECRET)
    event = row_of(first).event
    later = timezone.now() + timedelta(hours=1)
    Notification.objects.create(recipient=make_user("linus"), event=event, deliver_at=later)
    with assert_converges(ada), assert_converges(grace):
        staff.post(page_of(first, "erase"), {"scope": "event", "reason": "asked for"})
    assert "zebra" not in (shown_to(ada) + shown_to(grace)).lower()
    assert not Event.objects.filter(title="Zebra").exists()
    assert not Notification.objects.filter(recipient__username="linus").exists()
    assert set(Change.objects.filter(kind="deleted").values_list("reason", flat=True)) == {"erased"}


def test_erase__a_user__is_blank_everywhere_and_others_keep_theirs(
    staff: Client, ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.services.erase.CHUNK", 2)
    ids = [send(ada, **SECRET) for _ in range(3)]
    services.delete(ada, [ids[0]])
    send(ada, **SECRET, deliver_at=timezone.now() + timedelta(hours=1))
    services.notify_many([ada, grace], order_event(), **SECRET)
    head = Inbox.objects.get(pk=ada.pk).head
    with assert_converges(ada), assert_converges(grace):
        response = staff.post(page_of(ids[1], "erase"), {"scope": "user", "reason": "left"}, follow=True)
    assert messages_of(response) == ["The content of 5 notifications was erased."]
    assert "zebra" not in shown_to(ada).lower()
    assert Event.objects.filter(title="Zebra").count() == 1
    assert "zebra" in shown_to(grace).lower()
    inbox = Inbox.objects.get(pk=ada.pk)
    assert (inbox.head, inbox.unread_count) == (head + 3, 0)
    again = staff.post(page_of(ids[1], "erase"), {"scope": "user", "reason": "left"}, follow=True)
    assert messages_of(again) == ["The content of 0 notifications was erased."]
    assert Inbox.objects.get(pk=ada.pk).head == head + 3


def test_erase__unasked_unreasoned_or_without_the_right__erases_nothing(staff: Client, ada: User) -> None:
    public_id = send(ada, **SECRET)
    address = page_of(public_id, "erase")
    page = staff.get(address)
    assert page.status_code == 200
    assert "Zebra" in page.content.decode()
    assert staff.post(address, {"scope": "one", "reason": " "}).status_code == 200
    assert staff.post(address, {"scope": "all", "reason": "x"}).status_code == 200
    viewer = client_of(make_staff("zoe", "view_notification", "view_content", "change_notification"))
    assert viewer.get(address).status_code == 403
    assert viewer.post(address, {"scope": "one", "reason": "x"}).status_code == 403
    eraser = client_of(make_staff("yan", "view_notification", "erase"))
    assert "zebra" not in eraser.get(address).content.decode().lower()
    assert row_of(public_id).event.title == "Zebra"
    assert not LogEntry.objects.exists()
