"""The admin's time machine and live tail as pages: addresses, rights, hostile content. What they show is held
to the fold elsewhere.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import Change, EndReason, Inbox, Notification, StreamSession, Worker, new_public_id
from notifications.services import NewStream, Progress
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.staff import INBOXES, STREAMS, client_of, make_staff, messages_of

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = "<script>alert(1)</script>\u202e"
TAIL = f"{INBOXES}tail/"


@pytest.fixture
def staff() -> Client:
    return client_of(make_staff("vera", "view_notification", "view_content", "view_inbox"))


def past(user: User) -> str:
    return f"{INBOXES}{user.pk}/past/"


def lived(user: User) -> Inbox:
    """An inbox at position 5: two sent, one read, one deleted, one sent again."""
    first, second = send(user, HOSTILE, body="<b>body</b>", actor="<i>"), send(user, "second")
    services.mark_read(user, [first])
    services.delete(user, [second])
    send(user, "third")
    return Inbox.objects.get(pk=user.pk)


def state_of(response: Any) -> tuple[int, list[str], int, int]:
    """What a page shows: position, titles, how many listed and unread."""
    assert response.status_code == 200
    context = response.context
    titles = [item.get("title", "") for item in context["items"]]
    return context["position"], titles, context["listed_count"], context["unread_count"]


def test_past__by_position_cursor_or_time__shows_that_moment_and_changes_nothing(
    staff: Client, ada: User
) -> None:
    inbox = lived(ada)
    before = [list(model._default_manager.values()) for model in (Inbox, Notification, Change)]
    second = (2, ["second", HOSTILE], 2, 2)
    assert state_of(staff.get(past(ada), {"position": 2})) == second
    assert state_of(staff.get(past(ada), {"cursor": f"{inbox.epoch}-2"})) == second
    at: Any = Change.objects.get(position=2).at
    assert state_of(staff.get(past(ada), {"at": at.isoformat()})) == second
    newest: Any = Change.objects.get(position=5).at
    to_the_second = timezone.localtime(newest).strftime("%Y-%m-%dT%H:%M:%S")
    assert state_of(staff.get(past(ada), {"at": to_the_second}))[0] == 5, "as the page itself shows it"
    assert state_of(staff.get(past(ada))) == (5, ["third", HOSTILE], 2, 1)
    assert state_of(staff.get(past(ada), {"at": (at - timedelta(days=1)).isoformat()})) == (0, [], 0, 0)
    older = staff.get(past(ada), {"position": 2, "before": 2})
    assert state_of(older) == (2, [HOSTILE], 2, 2)
    fragment = staff.get(past(ada), {"position": 2, "fragment": 1}).content.decode()
    assert "second" in fragment
    assert "<html" not in fragment
    assert [list(model._default_manager.values()) for model in (Inbox, Notification, Change)] == before


def test_past__hostile_content__is_text(staff: Client, ada: User) -> None:
    lived(ada)
    text = staff.get(past(ada)).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert "<b>body" not in text


@pytest.mark.parametrize(
    ("query", "position", "remark"),
    [
        ("position=x", 5, "not a position"),
        ("position=99999999999999999", 5, "not a position"),
        ("position=99", 5, "does not exist yet"),
        ("position=1", 2, "compacted up to position 2"),
        ("cursor=x", 5, "not a cursor"),
        ("cursor=aaaaaaaa-3", 5, "not that of this inbox"),
        ("at=yesterday", 5, "not a time"),
        ("at=0001-01-01T00:00:00", 5, "not a time"),
        ("at=1999-01-01T00:00", 2, "compacted"),
        ("position=3&before=x", 3, ""),
    ],
)
def test_past__address_that_cannot_be_met__says_so_and_shows_the_nearest(
    staff: Client, ada: User, query: str, position: int, remark: str
) -> None:
    lived(ada)
    Inbox.objects.filter(pk=ada.pk).update(floor=2)
    response = staff.get(f"{past(ada)}?{query}")
    assert response.context["position"] == position
    assert remark in response.context["remark"]
    assert bool(remark) == bool(response.context["remark"])


def test_past__without_the_permission__is_refused_and_without_that_for_content_shows_none(ada: User) -> None:
    lived(ada)
    assert client_of(make_staff("a", "view_inbox")).get(past(ada)).status_code == 403
    assert client_of(make_staff("b", "view_notification")).get(past(ada)).status_code == 403
    assert client_of(make_staff("c", "view_inbox")).get(TAIL).status_code == 403
    assert client_of(make_user("d")).get(past(ada)).status_code == 302
    blind = client_of(make_staff("e", "view_inbox", "view_notification"))
    for page in (past(ada), TAIL, f"{INBOXES}{ada.pk}/change/"):
        text = blind.get(page).content.decode()
        assert "content hidden" in text
        assert "third" not in text
        assert "alert(1)" not in text
        assert blind.post(page).status_code == 405
    assert blind.get(f"{INBOXES}999999/past/").status_code == 302


def test_past__costs_the_same_few_queries(ada: User) -> None:
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    for number in range(8):
        send(ada, f"number {number}")
    services.mark_all_read(ada)
    with CaptureQueriesContext(connection) as captured:
        root.get(past(ada))
    # session, user, inbox; unread, notifications, changes, all-read, listed, floor; the change of the moment,
    # the first time
    assert len(captured) == 11


def test_tail__shows_the_newest_that_the_filter_admits(staff: Client, ada: User) -> None:
    lived(ada)
    send(make_user("grace"), "for grace", event=order_event(type_name="news.site.moved"), level="error")
    services.mark_all_read(ada)

    def shown(**query: str) -> list[str]:
        response = staff.get(TAIL, query)
        assert response.status_code == 200
        return [f"{line['change'].username} {line['change'].kind}" for line in response.context["lines"]]

    assert len(shown()) == 7
    assert shown()[0] == "ada read_all"
    assert shown(category="news") == [
        "ada read_all",
        "grace created",
    ]  # it may have read some of the category
    assert shown(recipient="grace, nobody") == shown(level="error") == ["grace created"]
    assert shown(change="deleted") == ["ada deleted"]
    wrong = staff.get(TAIL, {"category": "No!", "level": "loud"})
    assert wrong.context["form"].errors.keys() == {"category", "level"}
    unknown = staff.get(TAIL, {"types": "news.site.moved"})
    assert "This page has no filter “types”." in unknown.content.decode()
    for page in (wrong, unknown):
        assert page.context["lines"] == []
        assert "data-stream" not in page.content.decode()
    assert "<script>alert" not in staff.get(TAIL).content.decode()
    with CaptureQueriesContext(connection) as captured:
        staff.get(TAIL)
    assert len(captured) <= 6  # session, user, permissions, newest, changes


def opened(user: User) -> StreamSession:
    worker = Worker(host="web-1", pid=4711)
    services.write_sign_of_life(worker)
    new = NewStream(id=new_public_id(), user_id=user.pk, agent="curl/8")
    services.open_stream(new, worker, lambda state: ("exact", state.head))
    return StreamSession.objects.get(pk=new.id)


def test_stream__is_shown_with_how_far_its_record_goes_and_disconnected_after_being_asked(ada: User) -> None:
    send(ada)
    row = opened(ada)
    send(ada)
    send(ada)
    clerk = client_of(make_staff("clerk", "view_streamsession", "view_inbox"))
    page, verb = f"{STREAMS}{row.pk}/change/", f"{STREAMS}{row.pk}/disconnect/"
    assert "recorded up to 1 of 3" in clerk.get(STREAMS).content.decode()
    assert "recorded up to 1 of 3" in clerk.get(f"{INBOXES}{ada.pk}/change/").content.decode()
    assert row.worker is not None
    services.write_sign_of_life(row.worker, progress={row.pk: Progress(row.epoch, 1, 3)}, closed={})
    assert "up to date" in clerk.get(page).content.decode()
    assert verb not in clerk.get(page).content.decode()
    assert clerk.get(verb).status_code == clerk.post(verb, {"reason": "x"}).status_code == 403
    boss = client_of(make_staff("boss", "view_streamsession", "end_streamsession"))
    assert verb in boss.get(page).content.decode()
    assert "Disconnect this stream?" in boss.get(verb).content.decode()
    row.refresh_from_db()
    assert row.closed_at is None
    answer = boss.post(verb, {"reason": "left it <open>"}, follow=True)
    assert messages_of(answer) == ["The stream was disconnected."]
    row.refresh_from_db()
    assert (row.reason, row.requested_end) == (EndReason.REVOKED, EndReason.REVOKED)
    entry = LogEntry.objects.get()
    assert (str(entry.user), entry.object_id) == ("boss", str(row.pk))
    assert "left it <open>" in entry.change_message
    assert messages_of(boss.post(verb, follow=True)) == ["The stream had already ended."]
    assert LogEntry.objects.count() == 1
    assert boss.get(f"{STREAMS}{new_public_id()}/disconnect/").status_code == 302
