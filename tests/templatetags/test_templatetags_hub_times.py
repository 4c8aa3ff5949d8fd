"""Times that no zone can show, in rows from before there was a check or written by SQL: shown on every page,
and in nobody's way (I18).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from notifications import services
from notifications.models import ApiToken, Broadcast, Change, Event, Inbox, Notification
from notifications.services import Recipients
from tests.helpers.api import Api
from tests.helpers.factories import order_event, send
from tests.helpers.staff import BROADCASTS, INBOXES, LIST, TOKENS, page_of

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def poisoned(ada: User) -> list[Notification]:
    """What was sent before there was a check, and what was written by SQL: listed, scheduled and failed
    ones.
    """
    for at in (FIRST, LAST):
        send(ada, f"listed {at}")
        Event.objects.filter(title=f"listed {at}").update(expires_at=at)
    Notification.objects.filter(event__title__startswith="listed").update(expires_at=LAST)
    scheduled = Event.objects.create(type="a.b", title="scheduled", expires_at=LAST)
    Notification.objects.create(recipient=ada, event=scheduled, deliver_at=LAST)
    failed = Event.objects.create(type="a.b", title="failed", expires_at=FIRST)
    Notification.objects.create(recipient=ada, event=failed)
    job = services.broadcast(Recipients(users=[ada]), order_event(), title="sent to many")
    Broadcast.objects.filter(pk=job.pk).update(deliver_at=LAST)
    Event.objects.filter(pk=job.event_id).update(expires_at=LAST)
    ApiToken.objects.create(user=ada, name="x", scopes="read", token_hash="x", expires_at=LAST)
    services.sweep()
    assert "expires_at" in Notification.objects.get(event=failed).failure
    return list(Notification.objects.all())


def addresses_of(ada: User, rows: list[Notification]) -> list[str]:
    job, token = Broadcast.objects.get(), ApiToken.objects.get()
    return [
        "/admin/",
        LIST,
        f"{LIST}?state=failed",
        f"{LIST}?state=scheduled",
        BROADCASTS,
        f"{BROADCASTS}{job.pk}/change/",
        INBOXES,
        f"{INBOXES}{ada.pk}/change/",
        f"{INBOXES}{ada.pk}/past/",
        f"{INBOXES}{ada.pk}/past/?fragment=1",
        TOKENS,
        f"{TOKENS}{token.pk}/change/",
        *(page_of(row.public_id) for row in rows),
    ]


def test_rows__with_times_that_no_zone_shows__are_shown_on_every_page(
    ada: User, staff: Client, poisoned: list[Notification], zone: str
) -> None:
    for address in addresses_of(ada, poisoned):
        assert staff.get(address, follow=True).status_code == 200, address
    assert b"9999-12-31" in staff.get(f"{INBOXES}{ada.pk}/past/").content
    export: Any = staff.post(f"{LIST}export/", {"format": "json"})
    assert b"9999-12-31" in b"".join(export.streaming_content)
    user = Api(ada)
    assert len(user.get("/api/v1/notifications").json["results"]) == 2


def test_change__at_a_time_that_no_zone_shows__is_shown_by_the_time_machine(
    ada: User, staff: Client, zone: str
) -> None:
    public_id = send(ada)
    for at in (FIRST, LAST):
        Change.objects.filter(inbox_id=ada.pk).update(at=at, created_at=at)
        Inbox.objects.filter(pk=ada.pk).update(changed_at=at)
        Notification.objects.update(created_at=at, read_at=at)
        Event.objects.update(created_at=at)
        for address in (
            LIST,
            INBOXES,
            f"{INBOXES}{ada.pk}/change/",
            f"{INBOXES}{ada.pk}/past/",
            page_of(public_id),
        ):
            assert staff.get(address).status_code == 200, (address, at)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
@pytest.mark.shape("production")
def test_row__with_a_time_that_the_program_cannot_read__is_shown_and_stops_nobody(
    ada: User, staff: Client, text: str
) -> None:
    _write_by_sql(ada, text)
    _assert_shown(ada, staff)


@pytest.mark.parametrize("text", ["never", "2026-13-45", "", "infinity", "20000-01-01"])
@pytest.mark.shape("embedded")
def test_row__with_a_text_that_is_no_time__is_shown_and_stops_nobody(
    ada: User, staff: Client, text: str
) -> None:
    _write_by_sql(ada, text)
    _assert_shown(ada, staff)


def _write_by_sql(ada: User, text: str) -> None:
    event = Event.objects.create(type="a.b", title="by SQL")
    Notification.objects.create(recipient=ada, event=event)
    later = Event.objects.create(type="a.b", title="later, by SQL")
    Notification.objects.create(recipient=ada, event=later)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notification_hub_event SET expires_at = %s WHERE id = %s", [text, event.pk])
        cursor.execute(
            "UPDATE notification_hub_notification SET deliver_at = %s WHERE event_id = %s", [text, later.pk]
        )


def _assert_shown(ada: User, staff: Client) -> None:
    send(ada, "after it")
    services.sweep()
    rows = {row.event.title: row for row in Notification.objects.select_related("event")}
    assert rows["after it"].position is not None
    for address in (LIST, f"{INBOXES}{ada.pk}/past/", *(page_of(row.public_id) for row in rows.values())):
        assert staff.get(address).status_code == 200, address
