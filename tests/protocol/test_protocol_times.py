"""Times that some zone cannot show are refused at every door, and those at the edges are taken (I18)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import services
from notifications.exceptions import InvalidInput
from notifications.models import ApiToken, Broadcast, Event
from notifications.protocol.times import EARLIEST, LATEST, time_problem
from notifications.services import Recipients
from tests.helpers.api import BATCH, PUBLISH, draft, post, producer_api
from tests.helpers.factories import order_event, send
from tests.helpers.staff import BROADCASTS, INBOXES, LIST, TOKENS

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
POISON = [
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T14:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T23:59:59+14:00",
    "0000-01-01T00:00:00Z",
]


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
def test_time__at_the_edges__is_taken_and_shown_in_any_zone(ada: User, staff: Client, zone: str) -> None:
    api = producer_api()
    send(ada, expires_at=LATEST)
    assert post(api, PUBLISH, draft(ada, expires_at="9999-12-30T23:59:59.999999Z")).status == 201
    assert post(api, PUBLISH, draft(ada, deliver_at="0001-01-02T00:00:00Z")).status == 201
    assert staff.get(LIST).status_code == 200


@pytest.mark.shape("embedded")
def test_admin_forms__a_time_that_some_zone_cannot_show__is_an_error_of_its_field(
    ada: User, staff: Client, zone: str
) -> None:
    given = {"type": "a.b", "title": "x", "users": [ada.pk], "form_key": str(uuid4()), "step": "send"}
    for at in ("9999-12-31T23:59", "0001-01-01T00:00"):
        for field in ("deliver_at", "expires_at"):
            page = staff.post(f"{BROADCASTS}add/", {**given, field: at})
            assert field in page.context["form"].errors
        token = {"user": ada.pk, "name": "x", "scopes": ["read"], "expires_at": at, "form_key": str(uuid4())}
        assert staff.post(f"{TOKENS}add/", token).status_code == 200
    assert not Broadcast.objects.exists()
    assert not ApiToken.objects.exists()


@pytest.mark.shape("embedded")
def test_addresses__with_any_time__are_answered(ada: User, staff: Client, zone: str) -> None:
    send(ada)
    for at in (POISON[0], POISON[3], "9999-12-31", "0001-01-01", "9" * 20):
        for address, names in ((LIST, ("sent_from", "sent_to")), (f"{INBOXES}{ada.pk}/past/", ("at",))):
            answer = staff.get(address, dict.fromkeys(names, at), follow=True)
            assert answer.status_code == 200, (address, at)


@pytest.mark.shape("embedded")
def test_sign_ins__of_any_time__are_answered(staff: Client, zone: str) -> None:
    for query in (
        "at__year=9999",
        "at__year=9999&at__month=12",
        "at__year=1",
        f"at__year={'9' * 20}",
        f"at__gte={POISON[0]}",
        f"at__gte={POISON[3]}",
    ):
        answer = staff.get(f"/admin/notification_hub_security/signin/?{query}", follow=True)
        assert answer.status_code == 200, query


def test_time_problem__what_is_no_time__is_refused() -> None:
    assert time_problem("2026-01-01") == "must be a time with a time zone"
    assert time_problem(datetime(2026, 1, 1)) == "must be a time with a time zone"  # noqa: DTZ001
    assert time_problem(datetime(9999, 12, 30, tzinfo=timezone(timedelta(hours=-14)))) is None
    for minutes in (1439, -1439):
        edge = timezone(timedelta(minutes=minutes))
        assert time_problem(datetime.max.replace(tzinfo=edge))
        assert time_problem(datetime.min.replace(tzinfo=edge))
