"""The staff's streams: the live tail and the replay, who may have them, and that nothing is missed, repeated
or changed by them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone

from notifications import services
from notifications.models import Change, Inbox, Notification, StreamSession
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.runtime import current_runtime
from notifications.streaming.staff import replay_speed, tail
from notifications.streaming.staff.endpoint import replay as replay_application
from notifications.streaming.staff.endpoint import tail as tail_application
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import make_token, make_user, order_event
from tests.helpers.staff import make_staff
from tests.helpers.waiting import PATIENCE_SECONDS

FAST = {"reconcile_seconds": 0.2}
ALL = ("view_notification", "view_content", "view_inbox")
HOSTILE = "<img src=x onerror=alert(1)>\u202e\r\n\r\nevent: stream.close"


@pytest.fixture
def vera(transactional_db: None) -> User:
    return make_staff("vera", *ALL)


@pytest.fixture
async def streams(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Streams]:
    monkeypatch.setattr(tail, "READ_INTERVAL_SECONDS", 0.02)
    opened = Streams()
    yield opened
    await opened.close()


async def open_tail(streams: Streams, user: User, query: str = "", **options: Any) -> AsgiStream:
    """A tail that shows what happens from now on."""
    stream = await streams.open(user, query, application=tail_application, **options)
    await stream.expect("tail.open")
    return stream


async def titles(stream: AsgiStream, count: int) -> list[str]:
    """The titles of the next changes, or their names where they have none."""
    told = [(await stream.expect("tail.change")).json for _ in range(count)]
    return [each.get("title", each["change"]) for each in told]


@override_settings(TIME_ZONE="Asia/Kathmandu")
async def test_tail__shows_all_inboxes_with_what_the_right_and_the_filter_admit(
    streams: Streams, ada: User, vera: User
) -> None:
    walter = await in_database_thread(make_staff, "walter", "view_notification")
    everything = await open_tail(streams, vera)
    blind = await open_tail(streams, walter)
    errors = await open_tail(streams, vera, "level=error&recipient=ada&recipient=grace&change=created")
    grace = await in_database_thread(make_user, "grace")
    public_id = await send_to(ada, HOSTILE, level="error", topic="order:7")
    await send_to(grace, "a warning", level="warning")
    await in_database_thread(services.mark_all_read, ada)
    assert await titles(everything, 3) == [HOSTILE, "a warning", "inbox.read"]
    told = (await blind.expect("tail.change", where=lambda event: event.json.get("topic") == "order:7")).json
    assert "title" not in told
    at = datetime.fromisoformat(told["at"]).astimezone(timezone.get_default_timezone())
    assert told["shown_at"] == at.strftime("%Y-%m-%d %H:%M:%S"), "by the clock of the site, as on all pages"
    assert b"onerror" not in blind.raw
    assert (told["recipient"], told["notification"], told["level"]) == ("ada", str(public_id), "error")
    await send_to(grace, "the last", level="error")
    assert await titles(errors, 2) == [HOSTILE, "the last"]
    assert not await in_database_thread(StreamSession.objects.exists)


@pytest.mark.shape("production")
async def test_tail__transactions_that_commit_late__are_shown_once_and_in_the_order_of_each_log(
    streams: Streams, ada: User, vera: User
) -> None:
    """PostgreSQL gives ids when rows are written, and shows rows when they are committed."""
    stream = await open_tail(streams, vera)
    grace = await in_database_thread(make_user, "grace")
    public_id = await send_to(ada, "early")
    written, may_commit = threading.Event(), threading.Event()

    def hold_back() -> None:
        try:
            with transaction.atomic():
                services.mark_read(ada, [public_id])
                written.set()
                may_commit.wait(2 * PATIENCE_SECONDS)
        finally:
            connections.close_all()

    holding = threading.Thread(target=hold_back)
    holding.start()
    assert await asyncio.to_thread(written.wait, PATIENCE_SECONDS)
    for number in range(3):
        await send_to(grace, f"number {number}")
    assert await titles(stream, 4) == ["early", "number 0", "number 1", "number 2"]
    may_commit.set()
    late = (await stream.expect("tail.change")).json
    assert (late["change"], late["recipient"]) == ("notification.read", "ada")
    assert late["id"] < (await in_database_thread(Change.objects.latest, "pk")).pk
    holding.join()
    await send_to(grace, "afterwards")
    await stream.expect("tail.change", where=lambda event: event.json.get("title") == "afterwards")
    shown = [event.json["id"] for event in stream.events if event.type == "tail.change"]
    assert len(shown) == len(set(shown))


async def test_tail__more_than_a_reader_takes__drops_the_oldest_and_says_how_many(
    streams: Streams, ada: User, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.streaming.staff.stream.MAX_FRAMES", 5)
    stream, other = await open_tail(streams, vera, "recipient=ada"), await open_tail(streams, vera)
    stream.may_take.clear()
    for number in range(10):
        await send_to(ada, f"number {number}")
        # Offered to both at once. One write may be under way with the reader that takes nothing; the rest
        # waits, five at most.
        await other.expect("tail.change")
    stream.may_take.set()
    dropped = (await stream.expect("tail.dropped")).json["count"]
    await stream.expect("tail.change", where=lambda event: event.json["title"] == "number 9")
    shown = [event for event in stream.events if event.type == "tail.change"]
    assert len(shown) + dropped == 10


async def test_tail__far_more_than_it_reads_at_once__passes_over_and_says_so(
    streams: Streams, ada: User, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_ROWS", 2)
    monkeypatch.setattr(tail, "MAX_READS", 1)
    stream = await open_tail(streams, vera)
    event = order_event()
    users = [await in_database_thread(make_user) for _ in range(12)]
    await in_database_thread(services.notify_many, users, event, title="many")
    assert (await stream.expect("tail.skipped")).json["at_most"] >= 1
    await send_to(ada, "afterwards")
    await stream.expect("tail.change", where=lambda event: event.json["title"] == "afterwards")


async def test_tail__browser_that_comes_back__goes_on_where_it_was(
    streams: Streams, ada: User, vera: User
) -> None:
    first = await open_tail(streams, vera, "recipient=ada")
    await send_to(ada, "before")
    seen = await first.expect("tail.change")
    await first.disconnect()
    await send_to(ada, "between")
    again = await streams.open(
        vera, "recipient=ada", application=tail_application, headers={"last-event-id": seen.id}
    )
    # At least once: the page drops by its id what it has.
    new = await again.expect("tail.change", where=lambda event: event.json["id"] != seen.json["id"])
    assert new.json["title"] == "between"


async def test_replay__plays_the_log_in_order_shortens_pauses_and_leaves_no_trace(
    streams: Streams, ada: User, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.streaming.staff.replay.MAX_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(replay_speed, "MAX_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("notifications.streaming.staff.replay.MAX_ROWS", 2)
    ids = [await send_to(ada, f"number {number}") for number in range(4)]
    await in_database_thread(services.mark_read, ada, ids[:1])
    await in_database_thread(Change.objects.filter(position__lte=3).update, at="2026-11-20T10:00:00Z")
    before = await in_database_thread(snapshot)
    stream = await streams.open(vera, f"inbox={ada.pk}&after=1&speed=60", application=replay_application)
    assert (await stream.expect("replay.open")).json == {"position": 1, "head": 5, "speed": 60}
    await stream.expect("replay.end")
    assert await stream.wait_ended() == "clean"
    played = [(event.type, event.json.get("position")) for event in stream.events[1:]]
    assert played == [
        ("replay.change", 2),
        ("replay.change", 3),
        ("replay.gap", None),
        ("replay.change", 4),
        ("replay.change", 5),
        ("replay.end", 5),
    ]
    gap = next(event.json for event in stream.events if event.type == "replay.gap")
    assert gap["seconds"] > 3_600
    assert gap["shown_seconds"] == 0.05
    assert await in_database_thread(snapshot) == before


def snapshot() -> list[Any]:
    """Everything that reading as staff must not touch."""
    return [list(model._default_manager.order_by("pk").values()) for model in (Inbox, Notification, Change)]


async def test_staff_streams__by_anybody_else__are_refused(streams: Streams, ada: User, vera: User) -> None:
    walter = await in_database_thread(make_staff, "walter", "view_notification")
    clerk = await in_database_thread(make_staff, "clerk")
    no_staff = await in_database_thread(make_user, "nostaff")
    await in_database_thread(
        no_staff.user_permissions.set, await in_database_thread(list, Permission.objects.all())
    )
    _, text = await in_database_thread(make_token, vera, "read")

    async def status(
        user: User | None, query: str = "", application: Any = tail_application, **options: Any
    ) -> int:
        answered = await streams.answer(user, query, application=application, **options)
        assert answered.status is not None
        return answered.status

    replayed = f"inbox={ada.pk}&after=0&speed=1"
    assert await status(None) == 401
    assert await status(None, headers={"authorization": f"Bearer {text}"}) == 401
    assert await status(ada) == await status(clerk) == await status(no_staff) == 403
    assert await status(walter, replayed, replay_application) == 403
    assert await status(vera, method="POST") == 405
    assert await status(vera, headers={"host": "evil.example"}) == 400
    with override_settings(NOTIFICATION_HUB={"cors_origins": ("https://friend.example",)}):
        assert await status(vera, headers={"origin": "https://friend.example"}) == 403
    assert await status(vera, headers={"sec-fetch-site": "cross-site"}) == 403
    assert await status(vera, headers={"accept": "text/html"}) == 406
    for query in (
        "level=loud",
        "change=burned",
        "token=x",
        "type=..",
        "type=",
        "recipient=",
        "change=",
        "recipients=ada",
        "event=orders",
        "x=1",
        "&".join(f"recipient={n}" for n in range(51)),
    ):
        assert await status(vera, query) == 400, query
    for query in (
        "",
        "inbox=x'&after=0&speed=1",
        f"inbox={'9' * 30}&after=0&speed=1",
        f"inbox={ada.pk}&after=-1&speed=1",
        f"inbox={ada.pk}&after=0&speed=7",
    ):
        assert await status(vera, query, replay_application) == 400, query
    assert await status(vera, method="HEAD") == 200


def no_longer_staff(vera: User) -> None:
    User.objects.filter(pk=vera.pk).update(is_staff=False)


def no_permission(vera: User) -> None:
    vera.user_permissions.remove(Permission.objects.get(codename="view_notification"))


def no_session(vera: User) -> None:
    Session.objects.all().delete()


def no_content(vera: User) -> None:
    vera.user_permissions.remove(Permission.objects.get(codename="view_content"))


@pytest.mark.parametrize(
    ("end", "reason", "reconnect"),
    [
        (no_longer_staff, "revoked", False),
        (no_permission, "revoked", False),
        (no_session, "revoked", True),  # it may go on under another key: the cookie decides
        (no_content, "rotate", True),
    ],
)
@override_settings(NOTIFICATION_HUB=FAST)
async def test_staff_stream__whose_right_ends__ends_at_the_next_tick(
    streams: Streams, vera: User, end: Callable[[User], None], reason: str, reconnect: bool
) -> None:
    stream = await open_tail(streams, vera)
    await in_database_thread(end, vera)
    closed = (await stream.expect("stream.close")).json
    assert (closed["reason"], closed["reconnect"]) == (reason, reconnect)
    assert await stream.wait_ended() == "clean"


@override_settings(NOTIFICATION_HUB={"max_staff_streams": 1})
async def test_staff_streams__on_top_of_the_limit__are_told_to_come_back_and_a_stop_ends_them(
    streams: Streams, vera: User
) -> None:
    stream = await open_tail(streams, vera)
    refused = await streams.answer(vera, application=tail_application)
    assert refused.status == 200
    assert (await refused.expect("stream.close")).json["reason"] == "limit"
    await current_runtime().drain()
    assert (await stream.expect("stream.close")).json["reason"] == "shutdown"
    assert await stream.wait_ended() == "clean"
    later = await streams.answer(vera, application=tail_application)
    assert (await later.expect("stream.close")).json["reason"] == "shutdown"
