"""Times that some zone cannot show: refused at every door, and where one came past the doors, lost is its own
cell at most (I18).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings

from notifications import services
from notifications.admin.notification_list.notification_admin import NotificationAdmin
from notifications.exceptions import InvalidInput
from notifications.models import ApiToken, Broadcast, Change, Event, Inbox, Notification
from notifications.protocol.times import EARLIEST, LATEST, time_problem
from notifications.services import Recipients
from tests.helpers.api import BATCH, PUBLISH, Api, draft, post, producer_api
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import BROADCASTS, INBOXES, LIST, TOKENS, client_of, page_of

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")  # as far east, and as far west, as there is one
POISON = [
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T14:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T23:59:59+14:00",
    "0000-01-01T00:00:00Z",
]


@pytest.fixture
def root() -> Client:
    return client_of(make_user("root", is_staff=True, is_superuser=True))


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(TIME_ZONE=request.param):
        yield request.param


# --- at the doors
# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", POISON)
@pytest.mark.shape("embedded")
def test_http__a_time_that_some_zone_cannot_show__is_refused_by_its_field(ada: User, at: str) -> None:
    api = producer_api()
    for field in ("expires_at", "deliver_at"):
        assert set(post(api, PUBLISH, draft(ada, **{field: at})).problem["errors"]) == {field}
        assert set(post(api, BATCH, [draft(ada, **{field: at})]).problem["errors"]) == {f"items.0.{field}"}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "at", [FIRST, LAST, EARLIEST - timedelta(microseconds=1), LATEST + timedelta(microseconds=1)]
)
@pytest.mark.shape("embedded")
def test_python__a_time_that_some_zone_cannot_show__is_refused_by_its_field(ada: User, at: datetime) -> None:
    doors: list[Callable[..., Any]] = [
        lambda **given: services.notify(ada, order_event(), title="x", **given),
        lambda **given: services.broadcast(Recipients(users=[ada]), order_event(), title="x", **given),
    ]
    for door in doors:
        for field in ("expires_at", "deliver_at"):
            with pytest.raises(InvalidInput) as caught:
                door(**{field: at})
            assert set(caught.value.errors) == {field}
    with pytest.raises(InvalidInput) as caught:
        services.create_token(ada, name="x", scopes=["read"], expires_at=at)
    assert set(caught.value.errors) == {"expires_at"}
    assert not Event.objects.exists()


@pytest.mark.shape("embedded")
def test_time__at_the_edges__is_taken_and_shown_in_any_zone(ada: User, root: Client, zone: str) -> None:
    api = producer_api()
    send(ada, expires_at=LATEST)
    assert post(api, PUBLISH, draft(ada, expires_at="9999-12-30T23:59:59.999999Z")).status == 201
    assert post(api, PUBLISH, draft(ada, deliver_at="0001-01-02T00:00:00Z")).status == 201
    assert root.get(LIST).status_code == 200


@pytest.mark.shape("embedded")
def test_admin_forms__a_time_that_some_zone_cannot_show__is_an_error_of_its_field(
    ada: User, root: Client, zone: str
) -> None:
    given = {"type": "a.b", "title": "x", "users": [ada.pk], "form_key": str(uuid4()), "step": "send"}
    for at in ("9999-12-31T23:59", "0001-01-01T00:00"):
        for field in ("deliver_at", "expires_at"):
            page = root.post(f"{BROADCASTS}add/", {**given, field: at})
            assert field in page.context["form"].errors
        token = {"user": ada.pk, "name": "x", "scopes": ["read"], "expires_at": at, "form_key": str(uuid4())}
        assert root.post(f"{TOKENS}add/", token).status_code == 200
    assert not Broadcast.objects.exists()
    assert not ApiToken.objects.exists()


@pytest.mark.shape("embedded")
def test_addresses__with_any_time__are_answered(ada: User, root: Client, zone: str) -> None:
    send(ada)
    for at in (POISON[0], POISON[3], "9999-12-31", "0001-01-01", "9" * 20):
        for address, names in ((LIST, ("sent_from", "sent_to")), (f"{INBOXES}{ada.pk}/past/", ("at",))):
            answer = root.get(address, dict.fromkeys(names, at), follow=True)
            assert answer.status_code == 200, (address, at)


@pytest.mark.shape("embedded")
def test_sign_ins__of_any_time__are_answered(root: Client, zone: str) -> None:
    for query in (
        "at__year=9999",
        "at__year=9999&at__month=12",
        "at__year=1",
        f"at__year={'9' * 20}",
        f"at__gte={POISON[0]}",
        f"at__gte={POISON[3]}",
    ):
        answer = root.get(f"/admin/notification_hub_security/signin/?{query}", follow=True)
        assert answer.status_code == 200, query


# --- past the doors
# ---------------------------------------------------------------------------------------------------


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
    ada: User, root: Client, poisoned: list[Notification], zone: str
) -> None:
    for address in addresses_of(ada, poisoned):
        assert root.get(address, follow=True).status_code == 200, address
    assert b"9999-12-31" in root.get(f"{INBOXES}{ada.pk}/past/").content
    export: Any = root.post(f"{LIST}export/", {"format": "json"})
    assert b"9999-12-31" in b"".join(export.streaming_content)
    user = Api(ada)
    assert len(user.get("/api/v1/notifications").json["results"]) == 2


def test_change__at_a_time_that_no_zone_shows__is_shown_by_the_time_machine(
    ada: User, root: Client, zone: str
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
            assert root.get(address).status_code == 200, (address, at)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"])
@pytest.mark.shape("production")
def test_row__with_a_time_that_the_program_cannot_read__is_shown_and_stops_nobody(
    ada: User, root: Client, text: str
) -> None:
    _write_by_sql(ada, text)
    _assert_shown(ada, root)


@pytest.mark.parametrize("text", ["never", "2026-13-45", "", "infinity", "20000-01-01"])
@pytest.mark.shape("embedded")
def test_row__with_a_text_that_is_no_time__is_shown_and_stops_nobody(
    ada: User, root: Client, text: str
) -> None:
    _write_by_sql(ada, text)
    _assert_shown(ada, root)


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


def _assert_shown(ada: User, root: Client) -> None:
    send(ada, "after it")
    services.sweep()
    rows = {row.event.title: row for row in Notification.objects.select_related("event")}
    assert rows["after it"].position is not None
    for address in (LIST, f"{INBOXES}{ada.pk}/past/", *(page_of(row.public_id) for row in rows.values())):
        assert root.get(address).status_code == 200, address


def test_cell__that_cannot_be_rendered__fails_alone(
    ada: User, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ada, "first")
    bad = Notification.objects.get(public_id=send(ada, "second"))
    level_chip = NotificationAdmin.level_chip

    def fails(self: Any, row: Any) -> Any:
        if row.pk == bad.pk:
            raise ValueError("no such level")
        return level_chip(self, row)

    fails.__dict__.update(level_chip.__dict__)
    monkeypatch.setattr(NotificationAdmin, "level_chip", fails)
    page = root.get(LIST)
    assert page.status_code == 200
    text = page.content.decode()
    assert text.count("cannot be shown") == 1
    assert "first" in text
    assert "second" in text


def test_time_problem__what_is_no_time__is_refused() -> None:
    assert time_problem("2026-01-01") == "must be a time with a time zone"
    assert time_problem(datetime(2026, 1, 1)) == "must be a time with a time zone"  # noqa: DTZ001
    assert time_problem(datetime(9999, 12, 30, tzinfo=timezone(timedelta(hours=-14)))) is None
    for minutes in (1439, -1439):
        edge = timezone(timedelta(minutes=minutes))
        assert time_problem(datetime.max.replace(tzinfo=edge))
        assert time_problem(datetime.min.replace(tzinfo=edge))
