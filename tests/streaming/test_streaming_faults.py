"""Streams of real hub processes that are stopped, starved of hints, and read too slowly."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifications.models import Event, Notification
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.machine.ports import HOST
from tests.helpers.machine.servers import RedisServer
from tests.helpers.processes import HubProcess
from tests.helpers.staff import TAIL_STREAM, make_staff
from tests.helpers.streams import at, complaints, positions
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.system

NO_HINTS = {"REDIS_URL": "", "HUB_DATABASE_WATCH_SECONDS": "60"}
StartHub = Callable[..., HubProcess]


def test_every_hint_lost__live_within_the_interval__and_rows_written_past_the_services_too(
    start_hub: StartHub, ada: User
) -> None:
    hub = start_hub(env={**NO_HINTS, "HUB_RECONCILE_SECONDS": "1", "HUB_SWEEP_SECONDS": "0.5"})
    stream = hub.stream(ada)
    stream.expect("stream.live")

    def seconds_to_frame(number: int) -> float:
        send(ada)
        committed = time.monotonic()
        stream.expect("notification.created", where=at(number))
        return time.monotonic() - committed

    assert any(seconds_to_frame(number) < 4 for number in range(1, 6))
    event = Event.objects.create(type="orders.order.shipped", title="By hand")
    Notification.objects.bulk_create([Notification(recipient=ada, event=event)])
    created = stream.expect("notification.created")
    assert created.json["notification"]["title"] == "By hand"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop__streams_are_closed_politely_and_the_process_ends_well(
    start_hub: StartHub, ada: User, number: signal.Signals
) -> None:
    hub = start_hub()
    streams = [hub.stream(ada) for _ in range(6)]
    for stream in streams:
        stream.expect("stream.live")
    streams.append(hub.stream(make_staff("vera", "view_notification"), path=TAIL_STREAM))
    streams[-1].expect("tail.open")
    with socket.create_connection((HOST, hub.port)) as half_sent:
        half_sent.sendall(b"GET /api/v1/notifications/stream HTTP/1.1\r\nHost: loc")
        hub.send_signal(number)
        closes = [stream.expect("stream.close") for stream in streams]
        assert [stream.wait_ended() for stream in streams] == ["clean"] * 7
        assert hub.wait() == 0
    assert {(close.json["reason"], close.json["reconnect"]) for close in closes} == {("shutdown", True)}
    assert len({close.retry for close in closes}) > 1
    assert complaints(hub.output()) == []


def test_rotation__the_next_stream_goes_on_where_this_one_ended(start_hub: StartHub, ada: User) -> None:
    hub = start_hub(env={"HUB_MAX_STREAM_SECONDS": "1"})
    stream = hub.stream(ada, "after=earliest")
    send(ada)
    assert stream.expect("stream.close").json["reason"] == "rotate"
    assert stream.wait_ended() == "clean"
    send(ada)
    # On a busy machine the first one may end before it has had anything.
    resumed = hub.stream(ada, f"after={stream.ids[-1]}")
    resumed.expect("notification.created", where=at(2))
    assert positions(stream, resumed) == [1, 2]


def test_reader_that_takes_nothing__is_ended_with_slow_in_bounded_memory(
    start_hub: StartHub, ada: User
) -> None:
    hub = start_hub(
        env={"HUB_SLOW_READER_SECONDS": "3", "HUB_MAX_QUEUE_BYTES": "65536", "HUB_MAX_QUEUE_FRAMES": "16"}
    )
    stream = hub.stream(ada, receive_buffer=4_096)
    stream.expect("stream.live")
    stream.pause()
    before = resident_bytes(hub.pid)
    with transaction.atomic():
        for _ in range(400):
            send(ada, event=order_event(), body="x" * 9_000 + "\N{SNOWMAN}" * 1_000)
    wait_until(lambda: "takes nothing" in hub.output())
    assert resident_bytes(hub.pid) - before < 60 * 2**20
    stream.resume()
    assert stream.expect("stream.close").json["reason"] == "slow"
    resumed = hub.stream(ada, f"after={stream.ids[-1]}&closeafter=live")
    assert resumed.wait_ended() == "clean"
    assert positions(stream, resumed) == list(range(1, 401))


def resident_bytes(pid: int) -> int:
    (line,) = [
        text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmRSS:")
    ]
    return int(line.split()[1]) * 1_024


@pytest.mark.shape("production")
def test_redis_hung_restarted_and_gone__streams_go_on_and_miss_nothing(
    start_hub: StartHub, ada: User, redis_server: RedisServer
) -> None:
    hub = start_hub(env={"REDIS_URL": redis_server.url, "HUB_RECONCILE_SECONDS": "0.5"})
    stream = hub.stream(ada)
    stream.expect("stream.live")

    def arrives(number: int) -> None:
        send(ada)
        stream.expect("notification.created", where=lambda event: event.json["position"] == number)

    arrives(1)
    redis_server.pause()
    arrives(2)

    def seconds_to_open() -> float:
        begun = time.monotonic()
        with hub.stream(ada) as late:
            assert late.expect("stream.live").json["replayed"] == 0
        return time.monotonic() - begun

    assert any(seconds_to_open() < 1 for _ in range(4))
    redis_server.resume()
    arrives(3)
    redis_server.restart()
    arrives(4)
    redis_server.kill()
    arrives(5)
    # Those whose groups the layer does not know yet, too; and none of it fills the log.
    for user in (ada, *(make_user(name) for name in ("grace", "alan", "edsger"))):
        assert hub.stream(user, "after=earliest&closeafter=live").wait_ended() == "clean"
    wait_until(lambda: "Unexpected exception in receive task" in hub.output())
    arrives(6)
    assert positions(stream) == [1, 2, 3, 4, 5, 6]
    told = hub.output()
    assert "Traceback" not in told
    assert told.count("Hints cannot be received") <= 3  # once for each of the three times
    assert told.count("Unexpected exception in receive task") <= 3  # one a minute
