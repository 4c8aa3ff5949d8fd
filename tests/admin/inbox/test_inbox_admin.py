"""The admin's inboxes: counters and logs, read only."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from notifications import services
from notifications.admin.inbox import inbox_admin
from notifications.models import Inbox
from notifications.services import Provenance
from tests.helpers.factories import make_user, send
from tests.helpers.staff import INBOXES, client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def owners(staff: Client, **parameters: Any) -> list[str]:
    response = staff.get(INBOXES, parameters)
    assert response.status_code == 200
    return [row.user.username for row in response.context["cl"].result_list]


def page(user: User) -> str:
    return f"{INBOXES}{user.pk}/change/"


def positions(response: Any) -> list[int]:
    return [line["change"].position for line in response.context["log"]]


def test_list__shows_counters_and_finds_by_name_or_cursor(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    send(ada)
    services.mark_read(grace, [send(grace)])
    assert owners(staff) == ["ada", "grace"]
    assert owners(staff, q="GRA") == ["grace"]
    assert owners(staff, unread="some") == ["ada"]
    assert owners(staff, unread="none") == ["grace"]
    cursor = Inbox.objects.get(pk=grace.pk).cursor
    assert owners(staff, q=str(cursor)) == ["grace"]
    assert str(cursor) in staff.get(INBOXES).content.decode()


def test_list__any_number_of_rows__costs_the_same_few_queries(staff: Client) -> None:
    for _ in range(12):
        services.open_inbox(make_user().pk)
    with CaptureQueriesContext(connection) as captured:
        staff.get(INBOXES)
    assert len(captured) == 4  # session, user, count, page


def test_page__shows_the_log_newest_first_with_who_and_where(staff: Client, ada: User) -> None:
    public_id = send(ada, "On its way")
    services.mark_all_read(ada, provenance=Provenance(by="ada", via="page", address="203.0.113.7"))
    services.delete(ada, [public_id], reason="staff", provenance=Provenance(by="root", via="admin"))
    response = staff.get(page(ada))
    assert positions(response) == [3, 2, 1]
    text = response.content.decode()
    for part in (
        "On its way",
        "203.0.113.7",
        "By staff",
        "everything up to position 1",
        str(Inbox.objects.get(pk=ada.pk).cursor),
    ):
        assert part in text
    assert len(staff.get(response.context["notifications_url"]).context["cl"].result_list) == 1


def test_page__long_log__is_walked_by_position(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_admin, "LOG_PAGE", 3)
    for _ in range(7):
        send(ada)
    first = staff.get(page(ada))
    assert (positions(first), first.context["newer"], first.context["older"]) == ([7, 6, 5], None, 4)
    second = staff.get(page(ada), {"from": 4})
    assert (positions(second), second.context["newer"], second.context["older"]) == ([4, 3, 2], 7, 1)
    last = staff.get(page(ada), {"from": 1})
    assert (positions(last), last.context["newer"], last.context["older"]) == ([1], 4, None)


@pytest.mark.parametrize("start", ["", "x", "-1", "99999999999999999999", "9999999999999999", "٣", "1.5"])
def test_page__from_a_position_that_is_none__begins_at_the_head(staff: Client, ada: User, start: str) -> None:
    send(ada)
    assert positions(staff.get(page(ada), {"from": start})) == [1]


def test_page__costs_the_same_few_queries(staff: Client, ada: User) -> None:
    for _ in range(5):
        send(ada)
    with CaptureQueriesContext(connection) as captured:
        staff.get(page(ada))
    assert len(captured) == 5  # session, user, inbox with its user, streams, log


def test_page__never_touched__says_that_nothing_has_happened(staff: Client, ada: User) -> None:
    services.open_inbox(ada.pk)
    assert "Nothing has happened in this inbox yet." in staff.get(page(ada)).content.decode()


def test_inbox__can_be_neither_made_nor_changed_nor_deleted(staff: Client, ada: User) -> None:
    send(ada)
    assert staff.post(page(ada), {"head": 7}).status_code == 405
    assert staff.get(f"{INBOXES}add/").status_code == 403
    assert staff.post(f"{INBOXES}{ada.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff.post(INBOXES, {"action": "delete_selected", "_selected_action": [ada.pk]}).status_code in (
        200,
        302,
    )
    assert Inbox.objects.get(pk=ada.pk).head == 1


def test_inbox__without_the_permission__is_refused(ada: User) -> None:
    send(ada)
    client = client_of(make_staff("vera", "view_notification"))
    assert client.get(INBOXES).status_code == 403
    assert client.get(page(ada)).status_code == 403
    assert client_of(make_staff("walter", "view_inbox")).get(page(ada)).status_code == 200


def test_lookup__past_the_filter__is_refused(staff: Client) -> None:
    assert staff.get(f"{INBOXES}?user__password__startswith=x").status_code == 400


def test_index__has_the_hubs_sections_first(staff: Client) -> None:
    response = staff.get("/admin/")
    sections = response.context["app_list"]
    assert sections[0]["app_label"] == "notification_hub"
    assert [model["object_name"] for model in sections[0]["models"]] == [
        "Notification",
        "ApiToken",
        "Broadcast",
        "Inbox",
        "Replay",
        "StreamSession",
    ]
    assert "Notification hub" in response.content.decode()
