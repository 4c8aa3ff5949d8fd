"""Everybody comes at once: openings and backlogs wait their turn, open streams stay live, and who waits can
still be told and leave.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from notifications import services
from notifications.streaming.connection.changes import read_log_page
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door.credentials import identify
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.streams import positions
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

CLIENTS = 60
BACKLOG = 12


class Valve:
    """Stands before a function: lets calls through while open, and knows how many are inside, at most were,
    and wait.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._lock = threading.Lock()
        self.opened = threading.Event()
        self.opened.set()
        self.inside = self.most_inside = self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.inside += 1
            self.calls += 1
            self.most_inside = max(self.inside, self.most_inside)
        try:
            assert self.opened.wait(2 * PATIENCE_SECONDS)
            return self._function(*args, **kwargs)
        finally:
            with self._lock:
                self.inside -= 1


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valve]:
    valve = Valve(identify)
    monkeypatch.setattr("notifications.streaming.door.opening.identify", valve)
    yield valve
    valve.opened.set()


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Valve]:
    valve = Valve(read_log_page)
    monkeypatch.setattr("notifications.streaming.connection.backlog.read_log_page", valve)
    yield valve
    valve.opened.set()


async def many(streams: Streams, users: list[User], query: str, count: int = CLIENTS) -> list[AsgiStream]:
    """So many streams, of these users in turn."""
    return [await streams.open(users[number % len(users)], query) for number in range(count)]


@pytest.fixture
def crowd(transactional_db: None) -> list[User]:
    """Enough users for all clients, each with few."""
    return [make_user() for _ in range(CLIENTS // 4)]


@override_settings(
    NOTIFICATION_HUB={"max_openings": 2, "max_resumes": 1, "max_backlog_page": 5, "max_streams_per_user": 100}
)
async def test_storm__all_resume_at_once__few_work_at_once_and_everybody_gets_everything(
    crowd: list[User], streams: Streams, credentials: Valve, pages: Valve
) -> None:
    for number in range(BACKLOG):
        await in_database_thread(services.notify_many, crowd, order_event(), title=f"No {number}")
    credentials.opened.clear()
    opened = await many(streams, crowd, "after=earliest")
    await wait_until_async(lambda: credentials.inside == 2)
    credentials.opened.set()
    for stream in opened:
        await stream.expect("stream.live")
        assert positions(stream) == list(range(1, BACKLOG + 1))
    assert (credentials.most_inside, credentials.calls) == (2, CLIENTS)
    assert (pages.most_inside, pages.calls) == (1, 3 * CLIENTS)


@override_settings(
    NOTIFICATION_HUB={"database_watch_seconds": 60.0, "reconcile_seconds": 300.0, "max_streams_per_user": 100}
)
async def test_storm__backlogs_do_not_come_forward__an_open_stream_stays_live(
    crowd: list[User], streams: Streams, pages: Valve
) -> None:
    """All that storms may ask of the private threads hangs; changes still pass, by hints alone."""
    grace = await in_database_thread(make_user, "grace")
    live = await streams.open(grace)
    await live.expect("stream.live")
    await in_database_thread(services.notify_many, crowd, order_event(), title="Missed")
    pages.opened.clear()
    opened = await many(streams, crowd, "after=earliest")
    for stream in opened:
        await stream.expect("stream.open")
    await wait_until_async(lambda: pages.inside == 2)
    for number in range(1, 6):
        await in_database_thread(send, grace)
        assert (await live.expect("notification.created")).json["position"] == number
    pages.opened.set()
    for stream in opened:
        await stream.expect("stream.live")
        assert positions(stream) == [1]


async def test_backlog__waiting_for_its_turn__has_heartbeats_and_obeys(
    ada: User, streams: Streams, pages: Valve
) -> None:
    await send_to(ada)
    pages.opened.clear()
    busy = await many(streams, [ada], "after=earliest", count=2)
    await wait_until_async(lambda: pages.inside == 2)
    waiting = await streams.open(ada, "after=earliest&heartbeat=5")
    leaving = await streams.open(ada, "after=earliest")
    await leaving.expect("stream.open")
    await wait_until_async(lambda: current_runtime().backlog_limit.waiting_count == 2)
    await leaving.disconnect()
    assert current_runtime().backlog_limit.waiting_count == 1
    with override_settings(NOTIFICATION_HUB={"max_stream_seconds": 1}):
        rotating = await streams.open(ada, "after=earliest")
        assert (await rotating.expect("stream.close")).json["reason"] == "rotate"
    beat = await waiting.expect("stream.heartbeat")
    start = waiting.ids[0]
    assert (beat.id, beat.json["cursor"], beat.json["head"]) == (start, start, f"{start[:8]}-1")
    pages.opened.set()
    for stream in (*busy, waiting):
        await stream.expect("stream.live")
        assert positions(stream) == [1]


@override_settings(NOTIFICATION_HUB={"max_openings": 1, "max_waiting_openings": 3})
async def test_openings__beyond_the_line__are_told_to_come_back_at_different_times(
    ada: User, streams: Streams, credentials: Valve
) -> None:
    credentials.opened.clear()
    first = await streams.open(ada)
    await wait_until_async(lambda: credentials.inside == 1)
    line = await many(streams, [ada], "", count=3)
    await wait_until_async(lambda: current_runtime().opening_limit.waiting_count == 3)
    refused = [await streams.answer(ada) for _ in range(20)]
    assert {answer.status for answer in refused} == {503}
    assert b'"unavailable"' in refused[0].raw
    pauses = {answer.headers["retry-after"] for answer in refused}
    assert len(pauses) > 1
    assert pauses <= {"1", "2", "3"}
    told = [await streams.answer(ada, "on_limit=retry") for _ in range(5)]
    assert {(answer.status, answer.events[0].type) for answer in told} == {(200, "stream.close")}
    assert {answer.events[0].json["reconnect"] for answer in told} == {True}
    assert len({answer.events[0].retry for answer in told}) > 1
    await line[1].disconnect()
    assert current_runtime().opening_limit.waiting_count == 2
    assert line[1].status is None
    credentials.opened.set()
    for stream in (first, line[0], line[2]):
        await stream.expect("stream.live")
    assert credentials.calls == 3


@override_settings(NOTIFICATION_HUB={"max_openings": 1})
async def test_drain__who_waits_in_line__is_refused(ada: User, streams: Streams, credentials: Valve) -> None:
    credentials.opened.clear()
    line = await many(streams, [ada], "", count=4)
    await wait_until_async(lambda: current_runtime().opening_limit.waiting_count == 3)
    draining = asyncio.create_task(current_runtime().drain())
    await wait_until_async(lambda: current_runtime().is_draining)
    credentials.opened.set()
    for stream in line:
        await stream.wait_ended()
        assert stream.status == 503
    await draining
