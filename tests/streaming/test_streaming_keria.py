"""The Range dialect's stream: a KERI signal for each new notification, and nothing else that a reader of
events with data sees.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.inbox_log import compaction
from notifications.streaming import timing
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door.endpoint import stream
from notifications.streaming.door.guard import SIGNALS
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import order_event, send
from tests.helpers.waiting import wait_until_async

pytestmark = pytest.mark.django_db(transaction=True)

ROUTE = "/orders/order/shipped"
SILENT = re.compile(rb"retry: [0-9]+(\nid: [a-z2-7]{8}-[0-9]+)?")
FRAME = re.compile(rb"event: [^\n]+\ndata: [^\n]+\nid: [^\n]+")


async def dialect(scope: Any, receive: Any, send: Any) -> None:
    """The stream as the routing has it at the site's root."""
    await stream({**scope, SIGNALS: True}, receive, send)


def silent_frames(stream: AsgiStream) -> list[bytes]:
    """What no reader of events sees; that each frame is this or a signal."""
    frames = [frame for frame in bytes(stream.raw).split(b"\n\n") if frame]
    silent = [frame for frame in frames if not FRAME.fullmatch(frame)]
    assert all(SILENT.fullmatch(frame) for frame in silent), silent
    assert stream.parser.comments == []
    return silent


def titles(stream: AsgiStream) -> list[str]:
    return [event.json["a"]["title"] for event in stream.events]


async def test_signals__one_for_each_new_notification__live_and_resumed(ada: User, streams: Streams) -> None:
    live = await streams.open(ada, application=dialect)
    plain = await streams.open(ada)
    opened = await plain.expect("stream.open")
    await plain.expect("stream.live")
    await wait_until_async(lambda: live.parser.undispatched == 2, what="open and live")
    public_id = await send_to(ada, "Grüße", body="b", url="/orders/7/")
    await in_database_thread(services.mark_read, ada, [public_id])
    await services.aemit(ada, UntypedEvent(type_name="imports.file.progress", fields={"percent": 1}))
    await in_database_thread(services.mark_unread, ada, [public_id])
    await in_database_thread(services.mark_all_read, ada)
    await in_database_thread(services.delete, ada, [public_id])
    second = await send_to(ada, "second")
    signal = await live.expect(ROUTE)
    created = await plain.expect("notification.created")
    assert signal.id == created.id
    assert list(signal.json) == ["i", "dt", "r", "a"]
    assert signal.json == {
        "i": str(public_id),
        "dt": created.json["notification"]["created_at"],
        "r": ROUTE,
        "a": {"order_id": 7, "title": "Grüße", "body": "b", "url": "/orders/7/"},
    }
    assert (await live.expect()).json["i"] == str(second)
    silent_frames(live)
    await in_database_thread(services.mark_read, ada, [second])
    resumed = await streams.answer(ada, f"after={opened.id}&closeafter=live&names=type", application=dialect)
    assert [event.data for event in resumed.events] == [event.data for event in live.events]
    assert [event.id for event in resumed.events] == [event.id for event in live.events]
    assert resumed.parser.last_event_id.endswith("-7"), "what it does not see moves its cursor all the same"


@pytest.mark.shape("embedded")
async def test_signals__data_that_has_fields_of_these_names__keeps_its_own(
    ada: User, streams: Streams
) -> None:
    event = UntypedEvent(type_name="multisig.icp", fields={"title": 1.50, "z": {"é": 10**18}})
    await send_to(ada, "not seen", event=event, url="/x/")
    await send_to(ada, "no data", event=UntypedEvent(type_name="multisig.icp", fields={}))
    answer = await streams.answer(ada, "after=earliest&closeafter=live", application=dialect)
    first, second = answer.events
    assert (first.type, second.type) == ("/multisig/icp", "/multisig/icp")
    assert '"a":{"title":1.5,"z":{"\\u00e9":1000000000000000000},"body":"","url":"/x/"}' in first.data
    assert second.json["a"] == {"title": "no data", "body": "", "url": ""}


@pytest.mark.shape("embedded")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("route=/orders/order/shipped", ["shipped", "again"]),
        ("route=/orders/order/shipped,/imports/run/finished&topic=a", ["shipped", "run"]),
        ("route=/imports/run/finished&route=/none/of/that/kind", ["run"]),
        ("route=/orders", []),
        ("route=/orders.order/shipped", []),
        ("route=/orders/order/shipped/", []),
        ("categories=imports", ["run"]),
        ("type=orders.*&level=error", ["again"]),
    ],
)
async def test_signals__filters_and_routes__narrow_them(
    ada: User, streams: Streams, query: str, expected: list[str]
) -> None:
    await send_to(ada, "shipped", topic="a")
    await send_to(ada, "run", event=order_event(type_name="imports.run.finished"), topic="a")
    await send_to(ada, "again", topic="b", level="error")
    answer = await streams.answer(ada, f"after=earliest&closeafter=live&{query}", application=dialect)
    assert titles(answer) == expected


@pytest.mark.shape("embedded")
@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("route=", "invalid", "route"),
        ("route=orders", "invalid", "route"),
        ("route=/orders,", "invalid", "route"),
        ("route=/a%0A", "invalid", "route"),
        ("route=" + ",".join(["/a/b"] * 51), "invalid", "route"),
        ("route=/orders/order/shipped&type=imports.*", "invalid", "route"),
        ("read=true", "unknown_filter", "read"),
        ("event=x", "unknown_filter", "event"),
    ],
)
async def test_signals__what_cannot_be_filtered_by__is_refused(
    ada: User, streams: Streams, query: str, code: str, field: str
) -> None:
    answer = await streams.answer(ada, query, application=dialect)
    refusal = json.loads(answer.raw)
    assert (answer.status, refusal["code"], list(refusal["errors"])) == (400, code, [field])


@override_settings(NOTIFICATION_HUB={"max_exact_backlog": 1})
async def test_signals__a_long_backlog__has_those_that_were_read_or_deleted_meanwhile(
    ada: User, streams: Streams
) -> None:
    first = await send_to(ada, "first")
    ids = [await send_to(ada, title) for title in ("second", "third")]
    start = (await in_database_thread(services.mark_read, ada, [first])).inbox.cursor
    ids += [await send_to(ada, "fourth")]
    await in_database_thread(services.mark_read, ada, ids)
    await in_database_thread(services.delete, ada, [ids[-1]])
    everything = await streams.answer(ada, "after=earliest&closeafter=live", application=dialect)
    assert titles(everything) == ["first", "second", "third", "fourth"]
    resumed = await streams.answer(ada, f"after={start}&closeafter=live", application=dialect)
    assert titles(resumed) == ["fourth"], "that an old one was read is no signal"


def live_long_and_prune(user: User) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=40)):
        read, _, gone = (send(user, title) for title in ("read", "unread", "gone"))
        services.mark_read(user, [read])
        services.delete(user, [gone])
    send(user, "new")
    compaction._compact(user.pk, timezone.now() - timedelta(days=30))


async def test_signals__from_the_base_state_of_a_compacted_log__one_for_each_that_is_left(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MIN_KEPT", 1)
    await in_database_thread(live_long_and_prune, ada)
    answer = await streams.answer(ada, "after=earliest&closeafter=live", application=dialect)
    assert sorted(titles(answer)) == ["new", "read", "unread"]


@pytest.mark.shape("embedded")
async def test_what_is_no_signal__is_silent_and_a_stop_leaves_time_for_the_restart(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "clamp_heartbeat", lambda text: 0.2)
    reset = await streams.open(ada, "after=aaaaaaaa-7", application=dialect)
    head = await in_database_thread(services.open_inbox, ada.pk)
    await wait_until_async(lambda: reset.parser.undispatched >= 4, what="open, reset, live, and a heartbeat")
    opened, told, live, beat, *_ = silent_frames(reset)
    assert b"id:" not in opened
    assert all(frame.endswith(f"\nid: {head.cursor}".encode()) for frame in (told, live, beat))
    for connection in current_runtime()._serving:
        connection.close("shutdown")
    await reset.wait_ended()
    last = silent_frames(reset)[-1]
    assert b"id:" not in last
    assert int(last.removeprefix(b"retry: ")) >= 5_000
    assert reset.events == []


@pytest.mark.shape("embedded")
@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 1})
async def test_limit__as_a_stream_that_closes__is_silent_too(ada: User, streams: Streams) -> None:
    first = await streams.open(ada, application=dialect)
    await wait_until_async(lambda: first.parser.undispatched == 2, what="open and live")
    answer = await streams.answer(ada, "on_limit=retry", application=dialect)
    assert (answer.status, answer.events, len(silent_frames(answer))) == (200, [], 1)
