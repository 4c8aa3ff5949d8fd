"""The admin's page of one notification: its content, its timeline, and what staff may do there."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.admin.notification import detail
from notifications.models import Change, Event, Inbox, Notification
from notifications.services import Provenance
from tests.helpers.api import PAY
from tests.helpers.factories import make_user, order_event, send, stage_at
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import ADDRESS, LIST, client_of, make_staff, messages_of, page_of, row_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Provenance(by="ada", via="page", address="203.0.113.7")


def kinds(response: Any) -> list[str]:
    return [entry.kind for entry in response.context["timeline"]]


# --- what it shows


def test_page__shows_the_content_as_its_recipient_has_it(staff: Client, ada: User) -> None:
    public_id = send(
        ada,
        "On its way",
        body="Line one\nLine two",
        url="/orders/7/",
        topic="order:7",
        actor="grace",
        source="orders",
    )
    page = staff.get(page_of(public_id)).content.decode()
    for text in (
        "On its way",
        "Line one\nLine two",
        'href="/orders/7/"',
        "order:7",
        "grace",
        "orders.order.shipped",
    ):
        assert text in page
    assert "&quot;order_id&quot;: 7" in page


def test_page__shows_actions_to_be_read_and_never_to_be_pressed(staff: Client, ada: User) -> None:
    track = {"label": "Track <it>", "url": "https://parcels.example/7"}
    public_id = send(ada, actions=[PAY, track])
    page = staff.get(page_of(public_id)).content.decode()
    assert "<bdi>Pay</bdi> <code>POST</code> <bdi>/pay/7/</bdi>" in page
    assert "<bdi>Track &lt;it&gt;</bdi> <code>GET</code> <bdi>https://parcels.example/7</bdi>" in page
    for attribute in ("href", "action", "formaction"):
        assert not re.search(rf'{attribute}="(/pay/7/|https://parcels)', page)
    Event.objects.update(actions="nonsense")
    page = staff.get(page_of(public_id)).content.decode()
    assert "<bdi>nonsense</bdi>" in page
    assert "(not valid actions)" in page


def test_page__is_found_by_primary_key_and_by_the_id_of_the_wire(staff: Client, ada: User) -> None:
    public_id = send(ada)
    for key in (row_of(public_id).pk, public_id):
        assert staff.get(f"{LIST}{key}/change/").status_code == 200


@pytest.mark.parametrize("key", ["999999", "nonsense", "019a0000-0000-7000-8000-000000000000"])
def test_page__of_nothing__leads_to_the_list_with_a_sentence(staff: Client, key: str) -> None:
    response = staff.get(f"{LIST}{key}/change/", follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert messages_of(response) == ["There is nothing at that address. It may have been removed."]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil.example/", "/\\evil.example", "data:text/html,x"]
)
def test_link__that_the_services_would_have_refused__is_shown_but_is_no_link(
    staff: Client, ada: User, url: str
) -> None:
    event = Event.objects.create(type="a.b", title="by SQL", url=url)
    row = Notification.objects.create(recipient=ada, event=event)
    page = staff.get(page_of(row.public_id)).content.decode()
    assert "(not a safe link)" in page
    assert f'href="{url}"' not in page


def test_row__that_nothing_is_right_about__still_has_a_page(staff: Client, ada: User) -> None:
    event = Event.objects.create(type="Bad Type", title=" ", level="fatal", data="{not json")
    row = Notification.objects.create(recipient=ada, event=event)
    services.sequence([ada.pk])
    page = staff.get(page_of(row.public_id)).content.decode()
    assert "{not json" in page
    assert "(no title)" in page
    assert "title: must not be empty" in page, "the failure says what to put right"
    assert "then retry it" in page


def test_hostile_text__stays_text_and_cannot_turn_the_page_around(staff: Client, ada: User) -> None:
    public_id = send(ada, "<img src=x onerror=alert(1)>", body="</p><script>alert(2)</script>")
    Event.objects.update(data='{"name": "\\u202egnp.exe"}')
    page = staff.get(page_of(public_id)).content.decode()
    assert "<img src=x" not in page
    assert "<script>alert(2)" not in page
    assert "\u202e" not in page
    assert "\\u202egnp.exe" in page


def test_page__links_inbox_and_those_who_were_sent_the_same(staff: Client, ada: User) -> None:
    grace, linus = make_user("grace"), make_user("linus")
    public_id, *_others = services.notify_many([ada, grace, linus], order_event(), title="All")
    send(ada, "Something else")
    response = staff.get(page_of(public_id))
    assert "2 others" in response.content.decode()
    assert len(staff.get(response.context["others_url"]).context["cl"].result_list) == 3
    assert staff.get(response.context["inbox_url"]).status_code == 200


def test_others__are_people_and_not_rows__however_often_each_was_sent_it(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    public_id, other = services.notify_many([ada, grace], order_event(), title="All")
    alone = send(ada, "Alone")
    for old in (public_id, other, alone):
        services.notify(ada if old != other else grace, order_event(), title="again", replay_of=old)
    event = row_of(public_id).event
    Notification.objects.filter(replay_of__in=[public_id, other]).update(event=event)
    Notification.objects.filter(replay_of=alone).update(event=row_of(alone).event)
    assert staff.get(page_of(public_id)).context["others"] == "1 other"
    assert staff.get(page_of(public_id, "erase")).context["others"] == "1 other"
    assert staff.get(page_of(alone)).context["others"] == ""


def test_others__of_more_rows_than_are_read__are_at_least_so_many(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_id, *_others = services.notify_many(
        [ada, make_user(), make_user(), make_user()], order_event(), title="All"
    )
    monkeypatch.setattr(detail, "MAX_OTHER_ROWS", 2)
    assert staff.get(page_of(public_id)).context["others"] == "at least 2 others"
    monkeypatch.setattr(detail, "MAX_OTHERS", 1)
    assert staff.get(page_of(public_id)).context["others"] == "more than 1 others"


def test_page__any_history__costs_the_same_few_queries(staff: Client, ada: User) -> None:
    public_id = send(ada)
    for _ in range(5):
        services.mark_all_read(ada, provenance=PAGE)
        services.mark_unread(ada, [public_id], provenance=PAGE)
    with CaptureQueriesContext(connection) as captured:
        staff.get(page_of(public_id))
    # Session, user, notification, body and data, inbox, changes, all-read changes, deliveries, replays,
    # successors, others.
    assert len(captured) == 11


# --- the timeline


def test_timeline__tells_the_whole_story_with_who_and_where(staff: Client, ada: User) -> None:
    public_id = send(ada, source="orders.tasks")
    services.mark_read(ada, [public_id], provenance=PAGE)
    services.mark_unread(
        ada, [public_id], provenance=Provenance(by="token:ci", via="api", address="2001:db8::7")
    )
    services.delete(ada, [public_id], reason="withdrawn", provenance=Provenance(by="orders", via="producer"))
    response = staff.get(page_of(public_id))
    assert kinds(response) == ["staged", "created", "read", "unread", "deleted"]
    page = response.content.decode()
    epoch = Inbox.objects.get(pk=ada.pk).epoch
    for text in (
        "orders.tasks",
        f"{epoch}-1",
        f"{epoch}-4",
        "203.0.113.7",
        "token:ci",
        "2001:db8::7",
        "API",
        "Withdrawn",
    ):
        assert text in page
    assert [entry.change.unread_count for entry in response.context["timeline"][1:]] == [1, 0, 1, 0]


def test_timeline__all_read__is_told_only_where_it_read_this_one(staff: Client, ada: User) -> None:
    services.mark_all_read(ada)
    public_id = send(ada, "first")
    services.mark_all_read(ada, category="billing")
    send(ada, "second")
    services.mark_all_read(ada, up_to=1)
    services.mark_all_read(ada)
    response = staff.get(page_of(public_id))
    assert kinds(response) == ["staged", "created", "read_all"]
    assert response.context["timeline"][-1].change.up_to == 1

    services.mark_unread(ada, [public_id])
    services.mark_all_read(ada, category="orders")
    services.delete(ada, [public_id])
    response = staff.get(page_of(public_id))
    assert kinds(response) == ["staged", "created", "read_all", "unread", "read_all", "deleted"]
    assert "category orders" in response.content.decode()


def test_timeline__deleted_while_unread__has_no_all_read_of_others(staff: Client, ada: User) -> None:
    public_id = send(ada, "first")
    services.delete(ada, [public_id])
    send(ada, "second")
    services.mark_all_read(ada)
    assert kinds(staff.get(page_of(public_id))) == ["staged", "created", "deleted"]


def test_timeline__very_long__leaves_older_changes_out_and_says_so(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.selectors.staff.notification.changes.MAX_CHANGES", 4)
    public_id = send(ada)
    for _ in range(3):
        services.mark_read(ada, [public_id])
        services.mark_unread(ada, [public_id])
    response = staff.get(page_of(public_id))
    assert kinds(response) == ["staged", "gap", "read", "unread", "read", "unread"]
    assert response.context["timeline"][-1].change.position == 7


def test_staged__just_now__is_about_to_be_sequenced(staff: Client, ada: User) -> None:
    row = Notification.objects.create(recipient=ada, event=Event.objects.create(type="a.b", title="t"))
    response = staff.get(page_of(row.public_id))
    assert "about to appear in the inbox" in response.content.decode()
    assert kinds(response) == ["staged", "pending"]


def test_staged__for_minutes__waits_for_the_sequencer(staff: Client, ada: User) -> None:
    event = Event.objects.create(type="a.b", title="t")
    row = Notification.objects.create(recipient=ada, event=event)
    public_id = stage_at(row.public_id, timezone.now() - timedelta(minutes=4))
    page = staff.get(page_of(public_id)).content.decode()
    assert "waiting to be added to the inbox" in page
    assert "4\xa0minutes" in page


def test_scheduled__says_when_and_what_until_then(staff: Client, ada: User) -> None:
    at = timezone.now() + timedelta(days=3)
    response = staff.get(page_of(send(ada, deliver_at=at)))
    assert response.context["state"] == "scheduled"
    assert kinds(response) == ["staged", "pending"]
    assert at.strftime("To be delivered at %Y-%m-%d %H:%M:%S UTC.") in response.content.decode()


def test_listed__that_will_expire__shows_when(staff: Client, ada: User) -> None:
    public_id = send(ada, expires_at=timezone.now() + timedelta(days=1))
    response = staff.get(page_of(public_id))
    assert kinds(response) == ["staged", "created", "pending"]
    assert "Will expire" in response.content.decode()


# --- what staff do there


def test_verbs__go_through_the_services_and_say_who_did_it(staff: Client, ada: User) -> None:
    public_id = send(ada)
    with assert_converges(ada):
        read = staff.post(page_of(public_id, "read"), follow=True)
        unread = staff.post(page_of(public_id, "unread"), follow=True)
        deleted = staff.post(page_of(public_id, "delete"), {"post": "yes"}, follow=True)
    assert messages_of(read) == ["It was marked as read."]
    assert messages_of(unread) == ["It was marked as unread."]
    assert messages_of(deleted) == ["It was deleted; its recipient no longer sees it."]
    assert deleted.context["state"] == "deleted", "it leads back to the page, which shows the deletion"
    changes = Change.objects.filter(inbox_id=ada.pk, position__gt=1).order_by("position")
    assert [(c.kind, c.by, c.via, c.address, c.reason) for c in changes] == [
        ("read", "root", "admin", ADDRESS, ""),
        ("unread", "root", "admin", ADDRESS, ""),
        ("deleted", "root", "admin", ADDRESS, "staff"),
    ]


def test_verbs__done_again__change_nothing_and_say_so(staff: Client, ada: User) -> None:
    public_id = send(ada)
    staff.post(page_of(public_id, "read"))
    assert messages_of(staff.post(page_of(public_id, "read"), follow=True))[-1] == "It was already read."
    services.delete(ada, [public_id])
    again = staff.post(page_of(public_id, "delete"), {"post": "yes"}, follow=True)
    assert "nothing to delete" in messages_of(again)[-1]
    late = staff.post(page_of(public_id, "unread"), follow=True)
    assert "was not changed" in messages_of(late)[-1]
    assert Inbox.objects.get(pk=ada.pk).head == 3


def test_verbs__inbox_is_busy__say_so_and_fail_nobody(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("lock timeout")

    public_id = send(ada)
    monkeypatch.setattr("notifications.services.state.lock_inboxes", busy)
    response = staff.post(page_of(public_id, "read"), follow=True)
    assert response.status_code == 200
    assert "its inbox is busy" in messages_of(response)[0]


def test_delete__asks_first_and_names_what_it_deletes(staff: Client, ada: User) -> None:
    public_id = send(ada, "On its way")
    page = staff.get(page_of(public_id, "delete")).content.decode()
    assert "On its way" in page
    assert "ada" in page
    assert row_of(public_id).is_listed


@pytest.mark.parametrize("verb", ["read", "unread"])
def test_verbs__by_get__do_nothing(staff: Client, ada: User, verb: str) -> None:
    public_id = send(ada)
    assert staff.get(page_of(public_id, verb)).status_code == 405
    assert Inbox.objects.get(pk=ada.pk).head == 1


def test_page__posted_to__writes_nothing(staff: Client, ada: User) -> None:
    public_id = send(ada)
    assert staff.post(page_of(public_id), {"read_at_0": "2020-01-01"}).status_code == 405
    assert row_of(public_id).read_at is None


def test_verbs__without_csrf_token__are_refused(ada: User) -> None:
    public_id = send(ada)
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    assert client.post(page_of(public_id, "read")).status_code == 403
    assert row_of(public_id).read_at is None


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [
        ((), set()),
        (("view_notification",), {"change"}),
        (("change_notification",), {"change", "read", "unread"}),
        (("view_notification", "delete_notification"), {"change", "delete"}),
    ],
)
def test_permissions__are_respected_per_verb(
    ada: User, permissions: tuple[str, ...], allowed: set[str]
) -> None:
    client = client_of(make_staff("vera", *permissions))
    public_id = send(ada)
    answers = {
        "change": client.get(page_of(public_id)).status_code,
        **{
            verb: client.post(page_of(public_id, verb), {"post": "yes"}).status_code
            for verb in ("read", "unread", "delete")
        },
    }
    assert {name for name, status in answers.items() if status != 403} == allowed
    assert Inbox.objects.get(pk=ada.pk).head == 1 + len(allowed - {"change"})


def test_viewer__is_shown_no_button(ada: User) -> None:
    public_id = send(ada)
    page = client_of(make_staff("vera", "view_notification")).get(page_of(public_id)).content.decode()
    assert "Mark as read" not in page
    assert "Delete…" not in page


def test_history__of_django__leads_to_the_timeline(staff: Client, ada: User) -> None:
    public_id = send(ada)
    assert staff.get(page_of(public_id, "history"), follow=True).context["timeline"]


def test_recent_actions__name_what_staff_did(staff: Client, ada: User) -> None:
    public_id = send(ada)
    staff.post(page_of(public_id, "read"))
    assert LogEntry.objects.get().get_change_message() == "It was marked as read."
    assert str(public_id) in staff.get("/admin/").content.decode()


def test_user__deleted_in_the_admin__takes_the_inbox_along(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    services.notify_many([ada, grace], order_event(), title="Both")
    services.mark_all_read(ada)
    response = staff.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"}, follow=True)
    assert response.status_code == 200
    assert not User.objects.filter(pk=ada.pk).exists()
    assert list(Notification.objects.values_list("recipient_id", flat=True)) == [grace.pk]
