"""The admin's form that sends a notification."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from notifications.models import Change, Event, Notification
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import LIST, client_of, make_staff, messages_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = f"{LIST}add/"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def staff() -> Client:
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def form_for(recipient: Any, **fields: Any) -> dict[str, Any]:
    return {"recipient": recipient, "type": "news.maintenance.planned", "title": "Maintenance", **fields}


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return {name: list(errors) for name, errors in response.context["adminform"].form.errors.items()}


def test_send__lists_it_at_once_and_leads_to_its_page(staff: Client, ada: User) -> None:
    fields = {
        "level": "warning",
        "body": "  From 22:00.\n",
        "url": "https://status.example.org/1",
        "topic": "site:1",
        "data": '{"minutes": 90, "sites": ["a", 1.5]}',
        "collapse_key": "maintenance",
    }
    with assert_converges(ada):
        response = staff.post(ADD, form_for(ada.pk, **fields), follow=True)
    assert messages_of(response) == ["The notification was sent to ada."]
    assert response.context["state"] == "unread"
    row = Notification.objects.select_related("event").get()
    event = row.event
    assert (event.title, event.level, event.topic, event.url) == (
        "Maintenance",
        "warning",
        "site:1",
        fields["url"],
    )
    assert event.body.startswith("  From 22:00.")
    assert event.data == '{"minutes":90,"sites":["a",1.5]}'
    assert (event.source, row.collapse_key) == ("root", "maintenance")
    assert Change.objects.get().by == "root"


def test_send__scheduled__is_not_listed_yet(staff: Client, ada: User) -> None:
    later = timezone.localtime(timezone.now() + timedelta(days=1))
    response = staff.post(
        ADD,
        form_for(ada.pk, deliver_at=later.strftime("%Y-%m-%dT%H:%M")),
        follow=True,
    )
    assert messages_of(response) == ["The notification to ada is scheduled."]
    assert response.context["state"] == "scheduled"


def test_send__declared_type__takes_its_own_level(staff: Client, ada: User) -> None:
    staff.post(ADD, form_for(ada.pk, type="security.login.failed"))
    assert Event.objects.get().level == "warning"


def test_errors__stand_at_their_fields_all_at_once_and_nothing_is_sent(staff: Client, ada: User) -> None:
    response = staff.post(
        ADD,
        {
            "recipient": "",
            "type": "stream.x",
            "title": " ",
            "url": "javascript:alert(1)",
            "topic": "a,b",
            "data": '{"a": 1, "a": 2}',
            "expires_at": "2020-01-01T00:00",
            "deliver_at": "2020-01-02T00:00",
        },
    )
    errors = errors_of(response)
    assert set(errors) == {"recipient", "type", "title", "url", "topic", "data", "expires_at"}
    assert errors["type"] == ["This may not begin with stream, which the hub itself uses."]
    assert "the same key twice" in errors["data"][0]
    assert errors["expires_at"] == ["This must come after deliver_at."]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "data",
    [
        "[1]",
        "1",
        "null",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 99999999999999999999}',
        "{",
        '{"a": "\\ud800"}',
        "[" * 500,
    ],
)
def test_data__that_the_protocol_does_not_admit__is_an_error_of_the_field(
    staff: Client, ada: User, data: str
) -> None:
    assert set(errors_of(staff.post(ADD, form_for(ada.pk, data=data)))) == {"data"}


def test_send__over_64_kib__is_refused(staff: Client, ada: User) -> None:
    response = staff.post(ADD, form_for(ada.pk, data='{"a": "' + "x" * 70_000 + '"}'))
    assert "64 KiB" in str(response.context["adminform"].form.non_field_errors())
    assert not Event.objects.exists()


def test_send__body_too_long__is_refused_at_the_field(staff: Client, ada: User) -> None:
    assert "at most 10000" in errors_of(staff.post(ADD, form_for(ada.pk, body="x" * 10_001)))["body"][0]


def test_sender__who_may_not_look_users_up__names_the_recipient(ada: User) -> None:
    client = client_of(make_staff("vera", "add_notification"))
    assert "The exact username." in client.get(ADD).content.decode()
    assert errors_of(client.post(ADD, form_for("nobody")))["recipient"] == [
        "There is no user called “nobody”."
    ]
    assert client.post(ADD, form_for("ada")).url == "/admin/", "what was sent is not theirs to see"  # type: ignore[attr-defined]
    assert Notification.objects.get().recipient_id == ada.pk


def test_sender__who_may_look_users_up__is_offered_a_search(staff: Client) -> None:
    assert "admin-autocomplete" in staff.get(ADD).content.decode()


def test_form__without_the_permission__is_refused(ada: User) -> None:
    client = client_of(make_staff("vera", "view_notification", "change_notification"))
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, form_for(ada.pk)).status_code == 403
    assert not Event.objects.exists()


def test_collapse_key__replaces_what_is_listed(staff: Client, ada: User) -> None:
    for _ in range(2):
        staff.post(ADD, form_for(ada.pk, collapse_key="k"))
    assert [n.is_listed for n in Notification.objects.order_by("pk")] == [False, True]
    send(ada)
