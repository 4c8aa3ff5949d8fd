"""``/metrics``: what happened to streams is counted, in Prometheus's own words, for those who may see it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from channels.routing import URLRouter
from django.db import transaction
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from notifications import services
from notifications.conf import hub_config
from notifications.models import Event, Notification
from notifications.ops.prometheus import metrics_text
from notifications.ops.routing import ops_routes
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints import publisher as hints
from notifications.streaming.hints.publish_queue import Batch
from notifications.streaming.metrics import BUCKETS, Histogram
from tests.helpers.asgi import Streams, send_to, stream_scope
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-long-random-token"


def samples() -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics_text().decode())
        for sample in family.samples
        if sample.name.startswith("hub_")
    }


class Since:
    """What has been counted since it was made."""

    def __init__(self) -> None:
        self._before = samples()

    def __call__(self, *name: str) -> float:
        return samples().get(name, 0) - self._before.get(name, 0)


async def test_a_stream__is_counted_from_its_first_frame_to_its_last(ada: Any, streams: Streams) -> None:
    since = Since()
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    assert (since("hub_streams_open"), since("hub_streams_opened_total", "none")) == (1, 1)
    await send_to(ada)
    await stream.expect("notification.created")
    await stream.disconnect()
    assert since("hub_streams_open") == 0
    assert since("hub_streams_closed_total", "client") == 1
    assert since("hub_frames_written_total") == len(stream.events) == 3
    assert since("hub_bytes_written_total") == len(stream.raw)
    for name in ("hub_write_seconds", "hub_fan_out_seconds"):
        assert since(f"{name}_count") == since(f"{name}_bucket", "8.0") == 1
        assert 0 < since(f"{name}_sum") < 8
    await wait_until_async(
        lambda: since("hub_hints_total", "sent") >= 1
    )  # counted once the layer has taken it


async def test_resumes__are_counted_by_their_kind(ada: Any, streams: Streams) -> None:
    since = Since()
    for after in ("earliest", "nonsense"):
        await streams.answer(ada, f"after={after}&closeafter=live")
    assert since("hub_streams_opened_total", "exact") == since("hub_streams_opened_total", "reset") == 1
    assert since("hub_streams_closed_total", "backlog") == 2
    assert since("hub_write_seconds_count") == 0


@override_settings(
    NOTIFICATION_HUB={"max_queue_frames": 1, "reconcile_seconds": 0.05, "database_watch_seconds": 60.0}
)
async def test_lost_hints_and_full_queues__are_counted(
    ada: Any, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    since = Since()
    monkeypatch.setattr(hints, "publish", lambda heads: None)
    stream.may_take.clear()
    # More than five at least, to fill the queue; and until a regular look, and nothing else, has found one of
    # them.
    async with asyncio.timeout(PATIENCE_SECONDS):
        sent = 0
        while sent < 5 or not since("hub_repairs_total"):
            await send_to(ada)
            sent += 1
    other = await streams.open(ada)
    await other.expect("stream.live", where=lambda event: True)
    await send_to(ada)
    await other.expect("notification.created", where=lambda event: event.json["position"] == sent + 1)
    stream.may_take.set()
    await stream.expect("notification.created", where=lambda event: event.json["position"] == sent + 1)
    assert since("hub_queue_overflows_total") >= 1


async def test_hints_that_cannot_be_sent__are_counted(ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    since = Since()

    async def fail(*args: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(hints, "send_batch", fail)
    publisher = hints.ThreadPublisher()
    publisher.put(Batch(heads={"7": 1}, looks={"8": None}))
    assert await in_database_thread(publisher.flush, PATIENCE_SECONDS)
    publisher.put(Batch(heads={"7": 2}))
    assert await in_database_thread(publisher.flush, PATIENCE_SECONDS)
    assert (since("hub_hints_total", "dropped"), since("hub_hints_total", "sent")) == (3, 0)


def test_notifications__are_counted_by_what_came_of_them(ada: Any) -> None:
    since = Since()
    services.notify_many([ada, make_user("grace")], order_event(), title="Counted")
    with suppress(ZeroDivisionError), transaction.atomic():
        send(ada)
        raise ZeroDivisionError
    event = Event.objects.create(type="orders.order.shipped", title="By hand", url="javascript:alert(1)")
    Notification.objects.create(recipient=ada, event=event)
    services.sweep()
    results = [since("hub_notifications_total", result) for result in ("sequenced", "failed")]
    assert results == [2, 1]


def test_durations__fall_into_the_bucket_that_holds_them() -> None:
    durations = Histogram()
    for seconds in (-1.0, 0.0, 0.005, 0.006, 30.0, 31.0):
        durations.add(seconds)
    assert durations.counts == [3, 1, *[0] * (len(BUCKETS) - 3), 1, 1]
    assert durations.total == pytest.approx(61.011)


async def ask(
    headers: dict[str, str], *, client: Any = ("127.0.0.1", 5), method: str = "GET"
) -> tuple[int, bytes]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {**stream_scope(method=method), "path": "/metrics", "headers": raw, "client": client}
    router: Any = URLRouter(ops_routes())
    await router(scope, None, send)
    assert (b"cache-control", b"no-store") in messages[0]["headers"] or messages[0]["status"] == 405
    return messages[0]["status"], messages[1]["body"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]", "[::1]:8000", "localhost:9"])
async def test_page__without_a_token__is_for_this_machine(host: str) -> None:
    for client in (("127.0.0.1", 5), ("::1", 5)):
        status, body = await ask({"host": host}, client=client)
        assert status == 200
        assert b"hub_streams_open" in body
        assert b"process_cpu_seconds_total" in body


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("hub.example.com", ("127.0.0.1", 5)), ("localhost", ("192.0.2.1", 5)), ("localhost", None),
        ("", ("127.0.0.1", 5)), ("localhost.example.com", ("127.0.0.1", 5)), ("localhost", ("nonsense", 5)),
    ],
)  # fmt: skip
async def test_page__without_a_token__is_for_nobody_else(host: str, client: Any) -> None:
    assert await ask({"host": host}, client=client) == (404, b"")


@override_settings(NOTIFICATION_HUB={"metrics_token": TOKEN})
async def test_page__with_a_token__is_for_who_has_it() -> None:
    right = {"host": "hub.example.com", "authorization": f"Bearer {TOKEN}"}
    assert (await ask(right, client=("192.0.2.1", 5)))[0] == 200
    for wrong in (
        {},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer é"},
    ):
        assert await ask({"host": "localhost", **wrong}) == (404, b"")
    assert TOKEN not in repr(hub_config())


async def test_page__takes_no_other_method() -> None:
    assert (await ask({"host": "localhost"}, method="POST"))[0] == 405
    assert (await ask({"host": "localhost"}, method="HEAD"))[0] == 200
