"""Streams in hardship: slow readers, lost hints, reused positions, a failing database, many at once, and the
end.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import override_settings

from notifications import selectors, services
from notifications.models import Change, Event, Inbox, Notification
from notifications.streaming import timing
from notifications.streaming.connection.changes import Form, SharedChange, read_log_page
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints import publisher
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, hears_hints, send_to
from tests.helpers.factories import make_user, send
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

FAST = {"reconcile_seconds": 0.2}
NEVER = {"reconcile_seconds": 300.0, "database_watch_seconds": 60.0}


@pytest.fixture
def no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "publish", lambda heads: None)


def positions(stream: AsgiStream) -> list[int]:
    return [event.json["position"] for event in stream.events if "position" in event.json]


def count_refills(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The positions that each query for refills began from."""
    queries: list[Any] = []
    read = selectors.changes_since

    def count(positions: Any, **options: Any) -> Any:
        queries.append(positions)
        return read(positions, **options)

    monkeypatch.setattr(selectors, "changes_since", count)
    return queries


async def live_stream(streams: Streams, user: User, query: str = "") -> AsgiStream:
    stream = await streams.open(user, query)
    await stream.expect("stream.live")
    await hears_hints(user.pk)
    return stream


async def test_hint__alone__brings_the_change(ada: User, streams: Streams) -> None:
    with override_settings(NOTIFICATION_HUB=NEVER):
        stream = await live_stream(streams, ada)
        await send_to(ada)
        assert (await stream.expect("notification.created")).json["position"] == 1


@pytest.mark.usefixtures("no_hints")
async def test_every_hint_lost__reconciliation_alone_brings_the_change(ada: User, streams: Streams) -> None:
    with override_settings(NOTIFICATION_HUB={**FAST, "database_watch_seconds": 60.0}):
        stream = await live_stream(streams, ada)
        await send_to(ada)
        await stream.expect("notification.created")


@override_settings(NOTIFICATION_HUB=FAST, CHANNEL_LAYERS={})
async def test_no_channel_layer__only_makes_it_slower(ada: User, streams: Streams) -> None:
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    await send_to(ada)
    await stream.expect("notification.created")


async def test_forged_hint__costs_a_query_and_never_a_frame(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = count_refills(monkeypatch)
    stream = await live_stream(streams, ada)
    before = len(queries)
    publisher.publish({ada.pk: 10**12, -1: 5})
    await wait_until_async(lambda: len(queries) > before)
    await send_to(ada)
    await stream.expect("notification.created")
    assert positions(stream) == [1]


async def test_many_changes_at_once__few_queries_and_no_loss(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = count_refills(monkeypatch)
    grace = await in_database_thread(make_user, "grace")
    opened = [await live_stream(streams, user) for user in (ada, grace) for _ in range(3)]

    def send_all() -> None:
        for _ in range(30):
            send(ada)
            send(grace)

    await in_database_thread(send_all)
    for stream in opened:
        await stream.expect("notification.created", where=lambda event: event.json["position"] == 30)
        assert positions(stream) == list(range(1, 31))
    # At worst one for each of 60 sends and some looks; of 180 frames, never one for each connection.
    assert len(queries) < 90


async def test_frames__of_one_change__are_built_once_for_all_connections(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    render = SharedChange._render

    def count(self: SharedChange, form: Form) -> bytes:
        built.append(self.position)
        return render(self, form)

    monkeypatch.setattr(SharedChange, "_render", count)
    opened = [await live_stream(streams, ada) for _ in range(5)]
    await send_to(ada)
    for stream in opened:
        await stream.expect("notification.created")
    assert built == [1]


@override_settings(NOTIFICATION_HUB={"max_queue_frames": 3, "max_backlog_page": 4})
async def test_slow_reader__queue_overflows__the_log_gives_the_rest_in_order(
    ada: User, streams: Streams
) -> None:
    slow = await live_stream(streams, ada)
    quick = await live_stream(streams, ada)
    slow.may_take.clear()
    for _ in range(30):
        await send_to(ada)
    await quick.expect("notification.created", where=lambda event: event.json["position"] == 30)
    slow.may_take.set()
    await slow.expect("notification.created", where=lambda event: event.json["position"] == 30)
    assert positions(slow) == positions(quick) == list(range(1, 31))
    assert len(slow.of_type("stream.live")) == 1


@override_settings(NOTIFICATION_HUB={"slow_reader_seconds": 0.5})
async def test_reader_that_takes_nothing__is_ended_with_slow_and_resumes(ada: User, streams: Streams) -> None:
    slow = await live_stream(streams, ada)
    slow.may_take.clear()
    await send_to(ada)
    await wait_until_async(lambda: len(current_runtime().fanout) == 0)
    slow.may_take.set()
    close = await slow.expect("stream.close")
    assert (close.json["reason"], close.json["reconnect"]) == ("slow", True)
    assert await slow.wait_ended() == "clean"
    resumed = await live_stream(streams, ada, f"after={slow.ids[-1]}")
    assert positions(slow) + positions(resumed) == [1]


@override_settings(NOTIFICATION_HUB={"slow_reader_seconds": 0.5})
async def test_reader_that_never_takes_anything_again__leaves_nothing_behind(
    ada: User, streams: Streams
) -> None:
    slow = await live_stream(streams, ada)
    slow.may_take.clear()
    await send_to(ada)
    await asyncio.wait_for(slow.task, PATIENCE_SECONDS)
    assert slow.ended == "cut"


async def test_commits_during_the_backlog__come_after_it_without_gap(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        await send_to(ada)

    def read_and_commit(*args: Any, **kwargs: Any) -> Any:
        send(ada, "Meanwhile")
        return read_log_page(*args, **kwargs)

    monkeypatch.setattr("notifications.streaming.connection.backlog.read_log_page", read_and_commit)
    with override_settings(NOTIFICATION_HUB={"max_backlog_page": 2}):
        stream = await streams.open(ada, "after=earliest")
        await stream.expect("stream.live")
        monkeypatch.undo()
        await send_to(ada, "Last")
        await stream.expect("notification.created", where=lambda e: e.json["notification"]["title"] == "Last")
    assert positions(stream) == list(range(1, len(positions(stream)) + 1))


@override_settings(NOTIFICATION_HUB={**FAST, "database_watch_seconds": 60.0})
async def test_epoch_replaced__open_streams_are_reset_and_go_on(ada: User, streams: Streams) -> None:
    stream = await live_stream(streams, ada)
    for _ in range(3):
        await send_to(ada)
    await stream.expect("notification.created", where=lambda event: event.json["position"] == 3)

    def restore() -> None:
        Change.objects.filter(inbox_id=ada.pk, position__gt=1).delete()
        Notification.objects.filter(recipient_id=ada.pk, position__gt=1).delete()
        Inbox.objects.filter(pk=ada.pk).update(epoch="restored", head=1)

    await in_database_thread(restore)
    reset = await stream.expect("stream.reset")
    assert (reset.id, reset.json) == ("restored-1", {"reason": "epoch", "cursor": "restored-1"})
    await send_to(ada)
    assert (await stream.expect("notification.created")).id == "restored-2"


@override_settings(NOTIFICATION_HUB={**FAST, "database_watch_seconds": 60.0})
async def test_database_fails_for_a_while__streams_stay_open_and_miss_nothing(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await live_stream(streams, ada)
    failures: list[int] = []

    def fail(*args: Any, **kwargs: Any) -> Any:
        failures.append(1)
        raise DatabaseError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(selectors, "changes_since", fail)
        broken.setattr(selectors, "inboxes", fail)
        await in_database_thread(publisher.publish, {ada.pk: 1})
        await wait_until_async(lambda: len(failures) > 3)
    await send_to(ada)
    await stream.expect("notification.created")
    told = [record for record in caplog.records if "tried again" in record.message]
    assert len(told) == 1


async def test_backlog_that_cannot_be_read__is_read_later(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_to(ada)
    failures = iter([DatabaseError("gone"), DatabaseError("gone")])

    def fail_twice(*args: Any, **kwargs: Any) -> Any:
        for error in failures:
            raise error
        return read_log_page(*args, **kwargs)

    monkeypatch.setattr("notifications.streaming.connection.backlog.read_log_page", fail_twice)
    stream = await streams.open(ada, "after=earliest")
    live = await stream.expect("stream.live")
    assert (live.json["replayed"], positions(stream)) == (1, [1])


async def test_row_that_cannot_be_rendered__breaks_nothing_but_itself(
    ada: User, streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await live_stream(streams, ada)
    for _ in range(2):
        await send_to(ada)
    await stream.expect("notification.created", where=lambda event: event.json["position"] == 2)

    def spoil() -> None:
        broken = Change.objects.get(inbox_id=ada.pk, position=1)
        Change.objects.filter(pk=broken.pk).update(kind="strange")
        other = Event.objects.filter(notifications__position=2, notifications__recipient=ada)
        other.update(title="two\nlines", type="bad\ntype")

    await in_database_thread(spoil)
    for query in ("", "&names=type"):
        resumed = await streams.answer(ada, f"after=earliest&closeafter=live{query}")
        assert positions(resumed) == [2]
        assert resumed.events[-1].type == "stream.live"
    assert "cannot be rendered" in caplog.text


@override_settings(NOTIFICATION_HUB={"max_stream_seconds": 1})
async def test_rotation__closes_with_everything_written(ada: User, streams: Streams) -> None:
    await send_to(ada)
    stream = await live_stream(streams, ada, "after=earliest")
    close = await stream.expect("stream.close")
    assert (close.json["reason"], close.json["reconnect"], close.id) == ("rotate", True, None)
    assert close.retry == close.json["retry_ms"]
    assert stream.arrived_at[-1] - stream.opened_at >= 0.8
    assert positions(stream) == [1]
    assert await stream.wait_ended() == "clean"


async def test_drain__every_stream_is_told_and_no_new_one_begins(ada: User, streams: Streams) -> None:
    opened = [await live_stream(streams, ada) for _ in range(5)]
    stuck = await live_stream(streams, ada)
    stuck.may_take.clear()
    runtime = current_runtime()
    with override_settings(NOTIFICATION_HUB={"drain_seconds": 1.0}):
        await asyncio.wait_for(runtime.drain(), 15)  # it would wait for half a minute
    closes = [await stream.expect("stream.close") for stream in opened]
    assert {close.json["reason"] for close in closes} == {"shutdown"}
    assert len({close.retry for close in closes}) > 1
    refused = await streams.answer(ada)
    assert refused.status == 503
    assert refused.headers["retry-after"].isdigit()
    polite = await streams.answer(ada, "on_limit=retry")
    assert (polite.status, polite.events[0].json["reason"]) == (200, "shutdown")
    stuck.may_take.set()


async def test_server_that_only_cancels__the_client_is_told_all_the_same(ada: User, streams: Streams) -> None:
    stream = await live_stream(streams, ada)
    stream.task.cancel()
    assert (await stream.expect("stream.close")).json["reason"] == "shutdown"
    with pytest.raises(asyncio.CancelledError):
        await stream.task


# One that is dropped while it opens has its slot until its row is written: how many those are is not asked
# here.
@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 1_000})
async def test_disconnect__a_hundred_times__leaves_nothing_behind(ada: User, streams: Streams) -> None:
    made: weakref.WeakSet[Any] = weakref.WeakSet()
    runtime = current_runtime()
    before = len(asyncio.all_tasks())
    for number in range(100):
        stream = await streams.open(ada)
        if number % 2:
            await stream.expect("stream.open")
        made.update(runtime._serving)
        await stream.disconnect()
    assert len(runtime.fanout) == 0
    assert not runtime._serving

    def are_gone() -> bool:
        gc.collect()
        return len(made) <= 1

    await wait_until_async(are_gone)  # a thread may hold the last ones for a moment
    await wait_until_async(lambda: len(asyncio.all_tasks()) <= before + 4)


@override_settings(NOTIFICATION_HUB=NEVER)
async def test_membership__first_comes_and_last_goes_in_quick_turns__hints_still_come(
    ada: User, streams: Streams
) -> None:
    for _ in range(10):
        stream = await live_stream(streams, ada)
        await stream.disconnect()
    stream = await live_stream(streams, ada)
    await send_to(ada)
    await stream.expect("notification.created")


async def test_change_between_reading_the_head_and_joining_the_group__is_not_missed(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hints alone: whoever joins a group looks once more."""
    real = services.open_stream

    def open_then_commit(*args: Any) -> Any:
        opened = real(*args)
        send(ada)
        return opened

    with override_settings(NOTIFICATION_HUB=NEVER):
        monkeypatch.setattr(services, "open_stream", open_then_commit)
        stream = await streams.open(ada)
        assert (await stream.expect("notification.created")).json["position"] == 1


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "backoff_seconds", lambda failures: 0.02)
