"""Composing in the admin: a preview first, sent once, followed, cancelled, withdrawn and tried again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.admin.jobs import job_admin
from notifications.models import Broadcast, Event, Notification
from notifications.services import Recipients
from tests.helpers.api import PAY
from tests.helpers.factories import make_user, order_event
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import BROADCASTS, LIST, client_of, make_staff, messages_of, page_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = f"{BROADCASTS}add/"
REASON = {"reason": "It was wrong."}


def form(*users: Any, **fields: Any) -> dict[str, Any]:
    given = {
        "type": "news.maintenance.planned",
        "title": "Maintenance",
        "form_key": str(uuid4()),
        "step": "send",
    }
    return {**given, "users": [getattr(user, "pk", user) for user in users], **fields}


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


def titles(user: User) -> list[str]:
    services.open_inbox(user.pk)
    return [row.title for row in selectors.list_page(user.pk).rows]


def local(after: timedelta) -> str:
    return timezone.localtime(timezone.now() + after).strftime("%Y-%m-%dT%H:%M")


def test_compose__previews_what_users_will_see_and_how_many_they_are__then_sends_once(
    staff: Client, ada: User
) -> None:
    crew = Group.objects.create(name="crew")
    grace = make_user("grace")
    crew.user_set.add(ada, grace, make_user("gone", is_active=False))
    given = form(
        ada,
        groups=[crew.pk],
        level="warning",
        title="<b>Maintenance</b>",
        body="  From 22:00.\n",
        url="https://status.example.org/1",
        topic="site:1",
        data='{"minutes": 90, "sites": ["a", 1.5]}',
        collapse_key="maintenance",
    )
    page = staff.post(ADD, given | {"step": "preview"})
    assert page.context["count"] == 2
    text = page.content.decode()
    assert "&lt;b&gt;Maintenance&lt;/b&gt;" in text
    assert 'data-level="warning"' in text
    assert dict(page.context["repeated"])["form_key"] == given["form_key"]
    assert staff.post(ADD, given | {"step": "back"}).context["form"]["title"].value() == "<b>Maintenance</b>"
    assert not Event.objects.exists(), "it has only been asked"
    with assert_converges(ada, grace):
        sent = staff.post(ADD, given, follow=True)
    assert sent.context["progress"]["state"] == "done"
    assert sent.context["progress"]["texts"]["done"] == "2"
    assert titles(ada) == titles(grace) == ["<b>Maintenance</b>"]
    event = Event.objects.get()
    assert (event.level, event.topic, event.url, event.source) == ("warning", "site:1", given["url"], "root")
    assert event.body.startswith("  From 22:00.")
    assert event.data == '{"minutes":90,"sites":["a",1.5]}'
    again = staff.post(ADD, given, follow=True)
    assert messages_of(again) == ["This was already requested; nothing was sent twice."]
    other = staff.post(ADD, given | {"title": "Other"})
    assert "already sent with different content" in errors_of(other)["__all__"][0]
    assert (Broadcast.objects.count(), Event.objects.count(), Notification.objects.count()) == (1, 1, 2)


def test_compose__to_very_many__goes_on_in_the_background_and_can_be_cancelled(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_admin, "INLINE_SECONDS", 0)
    page = staff.post(ADD, form(everyone="on"), follow=True)
    job = Broadcast.objects.get()
    assert page.context["progress"]["is_live"]
    assert staff.get(f"{BROADCASTS}{job.pk}/progress/").json()["texts"]["total"] == "1"
    assert staff.get(f"{BROADCASTS}{job.pk}/cancel/").status_code == 405
    staff.post(f"{BROADCASTS}{job.pk}/cancel/")
    assert not services.run_broadcast_chunk()
    assert not Notification.objects.exists()
    assert "Cancelled" in staff.get(BROADCASTS).content.decode()


def test_scheduled__is_withdrawn_before_anybody_sees_it_with_a_reason_on_record(
    staff: Client, ada: User
) -> None:
    page = staff.post(ADD, form(ada, deliver_at=local(timedelta(days=1))), follow=True)
    assert page.context["is_scheduled"]
    assert page.context["progress"]["texts"]["label"] == "Scheduled"
    url = page.context["withdraw_url"]
    assert staff.get(url).context["count"] == 1
    assert staff.post(url, {"reason": " "}).context["form"].errors
    assert Notification.objects.count() == 1
    assert messages_of(staff.post(url, REASON, follow=True)) == [
        "It was withdrawn. 1 notification is being removed."
    ]
    assert not Notification.objects.exists()
    assert LogEntry.objects.filter(change_message="Withdrawn: It was wrong.").count() == 1


def test_withdrawn__goes_from_every_list(staff: Client, ada: User) -> None:
    page = staff.post(ADD, form(ada), follow=True)
    with assert_converges(ada):
        page = staff.post(page.context["withdraw_url"], REASON, follow=True)
    assert titles(ada) == []
    assert page.context["withdraw_url"] == ""
    assert page.context["progress"]["texts"]["label"] == "Withdrawn"


def test_failed_rows__are_counted_and_tried_again(staff: Client, ada: User) -> None:
    staff.post(ADD, form(ada, deliver_at=local(timedelta(days=1))))
    Event.objects.update(url="javascript:alert(1)")
    Notification.objects.update(deliver_at=None)
    services.sweep()
    page = staff.get(f"{BROADCASTS}{Broadcast.objects.get().pk}/change/")
    assert page.context["failed_rows"] == 1
    url = page.context["retry_url"]
    assert staff.get(url).status_code == 405
    assert messages_of(staff.post(url, follow=True)) == ["1 still fails."]
    Event.objects.update(url="")
    assert messages_of(staff.post(url, follow=True)) == ["1 was added to its inbox."]
    assert titles(ada) == ["Maintenance"]


def test_failed_one__is_tried_again_from_its_page_by_those_who_may(staff: Client, ada: User) -> None:
    bad = Event.objects.create(type="Bad", title="bad")
    row = Notification.objects.create(recipient=ada, event=bad)
    services.sequence([ada.pk])
    given = {"action": "retry_selected", "_selected_action": [row.pk]}
    assert "Retry" in staff.get(page_of(row.public_id)).content.decode()
    assert messages_of(staff.post(LIST, given, follow=True)) == ["1 still fails; its page says why."]
    Event.objects.update(type="good.now")
    viewer = client_of(make_staff("vera", "view_notification", "change_notification"))
    assert "Retry" not in viewer.get(page_of(row.public_id)).content.decode()
    viewer.post(LIST, given)
    assert titles(ada) == []
    assert messages_of(staff.post(LIST, given, follow=True)) == ["1 notification was added to its inbox."]
    assert messages_of(staff.post(LIST, given, follow=True)) == [
        "None of the selected notifications had failed."
    ]
    assert titles(ada) == ["bad"]


def test_errors__stand_at_their_fields_all_at_once_and_nothing_is_sent(staff: Client, ada: User) -> None:
    given = {
        "type": "stream.x",
        "title": " ",
        "url": "javascript:alert(1)",
        "topic": "a,b",
        "data": '{"a": 1, "a": 2}',
        "expires_at": "2020-01-01T00:00",
        "deliver_at": "2020-01-02T00:00",
    }
    errors = errors_of(staff.post(ADD, form(**given)))
    assert set(errors) == {"users", "type", "title", "url", "topic", "data", "expires_at"}
    assert errors["type"] == ["This may not begin with stream, which the hub itself uses."]
    assert "the same key twice" in errors["data"][0]
    assert errors["expires_at"] == ["This must come after deliver_at."]
    inactive = make_user("gone", is_active=False)
    for users, text in (([10**7], "not one of the available"), ([inactive], "active user")):
        assert text in errors_of(staff.post(ADD, form(*users)))["users"][0]
    assert (
        "64 KiB" in errors_of(staff.post(ADD, form(ada, data='{"a": "' + "x" * 70_000 + '"}')))["__all__"][0]
    )
    assert "at most 10000" in errors_of(staff.post(ADD, form(ada, body="x" * 10_001)))["body"][0]
    assert set(errors_of(staff.post(ADD, form(ada, form_key="1")))) == {"form_key"}
    assert not Event.objects.exists()


def test_actions__are_previewed_where_nothing_can_be_pressed_and_sent(staff: Client, ada: User) -> None:
    given = form(
        ada,
        actions_0_label="Pay",
        actions_0_url="/pay/7/",
        actions_0_method="POST",
        actions_1_label="Track <it>",
        actions_1_url="https://parcels.example/7",
    )
    preview = staff.post(ADD, given | {"step": "preview"}).content.decode()
    assert '<span class="note-action"><bdi>Pay</bdi></span>' in preview
    assert '<span class="note-action"><bdi>Track &lt;it&gt;</bdi></span>' in preview
    assert 'action="/pay/7/"' not in preview
    job = staff.post(ADD, given, follow=True).content.decode()
    assert '<span class="note-action"><bdi>Pay</bdi></span>' in job
    [row] = selectors.list_page(ada.pk).rows
    assert json.loads(row.actions) == [
        PAY,
        {"label": "Track <it>", "url": "https://parcels.example/7", "method": "GET"},
    ]


def test_actions__that_are_not_right__have_their_errors_at_their_own_fields(staff: Client, ada: User) -> None:
    post_elsewhere = {"label": "Pay", "url": "https://evil.example/", "method": "POST"}
    second = {f"actions_1_{name}": value for name, value in post_elsewhere.items()}
    assert errors_of(staff.post(ADD, form(ada, **second))) == {
        "actions_1_url": [
            "This must be a path on this site (/orders/7/), because a POST goes to this site only."
        ]
    }
    assert errors_of(staff.post(ADD, form(ada, actions_0_url="javascript:alert(1)", **second))).keys() == {
        "actions_0_label",
        "actions_0_url",
        "actions_1_url",
    }
    too_long = errors_of(staff.post(ADD, form(ada, actions_0_label="x" * 41, actions_0_url="/7/")))
    assert set(too_long) == {"actions_0_label"}
    unknown = errors_of(
        staff.post(ADD, form(ada, actions_0_label="x", actions_0_url="/7/", actions_0_method="PUT"))
    )
    assert set(unknown) == {"actions_0_method"}
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "data",
    [
        "[1]",
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
    assert set(errors_of(staff.post(ADD, form(ada, data=data)))) == {"data"}


def test_declared_type__brings_its_own_level(staff: Client, ada: User) -> None:
    staff.post(ADD, form(ada, type="tokens.demo_token.expired", data='{"token": "ci"}'))
    assert Event.objects.get().level == "error"


def test_rights__to_compose_alone__name_users_and_show_ones_own_content(ada: User, root: User) -> None:
    services.broadcast(Recipients(users=[ada]), order_event(), title="private title", owner=root)
    wim = client_of(make_staff("wim", "compose"))
    assert "Exact usernames" in wim.get(ADD).content.decode()
    assert errors_of(wim.post(ADD, form("nobody, ada")))["users"] == ["There is no user called nobody."]
    page = wim.post(ADD, form("ada\n"), follow=True)
    assert page.context["note"].title == "Maintenance"
    others = wim.get(f"{BROADCASTS}{Broadcast.objects.get(event__title='private title').pk}/change/")
    for shown in (others, wim.get(BROADCASTS)):
        assert "private title" not in shown.content.decode()


def test_without_the_right__every_address_is_refused_and_nothing_changes(ada: User, root: User) -> None:
    job = services.broadcast(Recipients(users=[ada]), order_event(), title="t", owner=root)
    names = ("add_notification", "view_notification", "change_notification", "view_content", "replay")
    viewer = client_of(make_staff("vera", *names))
    pages = [
        BROADCASTS,
        ADD,
        *(f"{BROADCASTS}{job.pk}/{page}/" for page in ("change", "progress", "withdraw")),
    ]
    assert [viewer.get(page).status_code for page in pages] == [403] * 5
    posts = [ADD, *(f"{BROADCASTS}{job.pk}/{page}/" for page in ("cancel", "withdraw", "retry"))]
    assert [viewer.post(page, form(ada) | REASON).status_code for page in posts] == [403] * 4
    assert viewer.get(f"{LIST}add/", follow=True).status_code == 403
    assert Broadcast.objects.get().state == "queued"
    assert Event.objects.get().withdrawn_at is None


def test_queries__of_the_pages__do_not_depend_on_how_much_there_is(staff: Client, ada: User) -> None:
    counts: list[list[int]] = []
    for _ in range(2):
        for _ in range(3):
            staff.post(ADD, form(ada))
        pages = (BROADCASTS, f"{BROADCASTS}{Broadcast.objects.latest('created_at').pk}/change/", ADD)
        counts.append([])
        for page in pages:
            with CaptureQueriesContext(connection) as captured:
                assert staff.get(page).status_code == 200
            counts[-1].append(len(captured))
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 10


def test_scheduled__has_notified_nobody_before_its_time__nor_if_it_is_withdrawn_before(
    staff: Client, ada: User
) -> None:
    def shown(page: Any) -> tuple[Any, ...]:
        texts = page.context["progress"]["texts"]
        return texts["label"], texts["percent"], texts["done"], texts["pending"]

    page = staff.post(ADD, form(ada, make_user(), deliver_at=local(timedelta(days=1))), follow=True)
    assert shown(page) == ("Scheduled", "0 %", "0", "2")
    assert "Not notified yet" in page.content.decode()
    assert "0 of 2" in staff.get(BROADCASTS).content.decode()

    # Its time has come, and no process has listed it yet; then one has it, and then both.
    due = timezone.now() - timedelta(seconds=1)
    Broadcast.objects.update(deliver_at=due)
    Notification.objects.update(deliver_at=due)
    url = f"{BROADCASTS}{Broadcast.objects.get().pk}/change/"
    assert shown(staff.get(url)) == ("Being delivered", "0 %", "0", "2")
    services.sequence([ada.pk])
    assert shown(staff.get(url)) == ("Being delivered", "50 %", "1", "1")
    assert "1 of 2" in staff.get(BROADCASTS).content.decode()
    services.sweep()
    assert shown(staff.get(url)) == ("Done", "100 %", "2", "0")

    again = staff.post(ADD, form(ada, deliver_at=local(timedelta(days=1))), follow=True)
    withdrawn = staff.post(again.context["withdraw_url"], REASON, follow=True)
    assert shown(withdrawn) == ("Withdrawn", "0 %", "0", "1")
    assert "Never notified" in withdrawn.content.decode()
    assert "0 of 1" in staff.get(BROADCASTS).content.decode()


def test_withdraw__counts_what_goes__and_not_what_has_gone_before(staff: Client, ada: User) -> None:
    page = staff.post(ADD, form(ada, make_user()), follow=True)
    services.delete(ada, [Notification.objects.get(recipient=ada).public_id])
    assert staff.get(page.context["withdraw_url"]).context["count"] == 1
