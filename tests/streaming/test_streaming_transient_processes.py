"""Transient events between real processes over Redis, and what a hung, empty or dead Redis does to senders
and streams.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.streaming.hints import publisher
from tests.helpers.api import EVENTS, transient
from tests.helpers.factories import make_producer, make_token, send
from tests.helpers.machine.ports import HOST
from tests.helpers.machine.servers import RedisServer
from tests.helpers.processes import HubProcess
from tests.helpers.streams import LiveStream, positions
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.system, pytest.mark.shape("production")]

PROGRESS = "imports.file.progress"
# Whatever comes, comes by the layer alone.
NO_LOOKS = {"HUB_RECONCILE_SECONDS": "300"}


@pytest.fixture
def own_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A Redis that this process, too, sends its hints to."""
    hosts = [{"address": redis_server.url, "socket_timeout": 15}]
    layer = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": hosts, "prefix": "hub"},
    }
    with override_settings(CHANNEL_LAYERS={"default": layer}):
        yield redis_server


def emit(user: User, percent: int) -> None:
    services.emit(user, UntypedEvent(type_name=PROGRESS, fields={"percent": percent}))


def wait_heard(user: User, *streams: LiveStream, percent: int) -> None:
    """Emit until every stream has seen it."""

    def is_heard() -> bool:
        emit(user, percent)
        return all(
            any(event.json["data"]["percent"] == percent for event in stream.of_type(PROGRESS))
            for stream in streams
        )

    wait_until(is_heard, what="a transient event on every stream")


def test_notify_then_emit__streams_of_other_processes__show_the_notification_first(
    start_hub: Callable[..., HubProcess], ada: User
) -> None:
    streams = [start_hub(env=NO_LOOKS).stream(ada) for _ in range(2)]
    wait_heard(ada, *streams, percent=0)
    for number in range(1, 31):
        send(ada)
        emit(ada, number)
    for stream in streams:
        stream.expect(PROGRESS, where=lambda event: event.json["data"]["percent"] == 30)
        seen = [
            (event.json.get("position", 0), event.json["data"]["percent"] if event.type == PROGRESS else 0)
            for event in stream.of_type(PROGRESS, "notification.created")
        ]
        assert [percent for _, percent in seen if percent] == list(range(1, 31))
        for index, (_, percent) in enumerate(seen):
            assert max(position for position, _ in seen[: index + 1]) >= percent


def test_redis_restarted_empty_flushed_or_cut__the_layer_is_heard_again_by_itself(
    start_hub: Callable[..., HubProcess], ada: User, own_redis: RedisServer
) -> None:
    hub = start_hub(env={"REDIS_URL": own_redis.url, "HUB_RECONCILE_SECONDS": "1"})
    stream = hub.stream(ada)
    wait_heard(ada, stream, percent=1)
    own_redis.restart()
    wait_heard(ada, stream, percent=2)
    with own_redis.client() as client:
        client.flushall()
        client.client_kill_filter(_type="pubsub")
    wait_heard(ada, stream, percent=3)
    send(ada)
    stream.expect("notification.created")
    assert positions(stream) == [1]


def test_redis_hung_or_gone__notify_and_emit_take_no_longer(ada: User, own_redis: RedisServer) -> None:
    def median_seconds(act: Callable[[], object]) -> float:
        def seconds() -> float:
            begun = time.perf_counter()
            act()
            return time.perf_counter() - begun

        return statistics.median(seconds() for _ in range(15))

    acts: tuple[Callable[[], object], ...] = (lambda: send(ada), lambda: emit(ada, 1))
    usual = [median_seconds(act) for act in acts]
    assert publisher._thread_publisher().flush(PATIENCE_SECONDS)
    own_redis.pause()
    hung = [median_seconds(act) for act in acts]
    own_redis.kill()
    gone = [median_seconds(act) for act in acts]
    for before, *after in zip(usual, hung, gone, strict=True):
        assert max(after) - before < 0.05


class Sender:
    """A producer that sends one event after the other, in turn to each worker, over one connection each."""

    def __init__(self, hubs: list[HubProcess], recipient: User) -> None:
        self.headers = {"Authorization": f"Bearer {make_token(make_producer(), 'publish').text}"}
        self._connections = [HTTPConnection(HOST, hub.port, timeout=PATIENCE_SECONDS) for hub in hubs]
        self._recipient = recipient
        self._count = 0

    def body(self, number: int) -> dict[str, Any]:
        return transient(self._recipient, type=PROGRESS, topic="run:7", data={"percent": number})

    def send(self, number: int, *, key: str = "") -> tuple[int, Any, HTTPMessage]:
        """Status, body and headers of the answer."""
        connection = self._connections[self._count % len(self._connections)]
        self._count += 1
        headers = {**self.headers, "Content-Type": "application/json"} | (
            {"Idempotency-Key": key} if key else {}
        )
        connection.request("POST", EVENTS, json.dumps(self.body(number)), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def percents(stream: LiveStream) -> list[int]:
    return [event.json["data"]["percent"] for event in stream.of_type(PROGRESS)]


def test_events_over_two_workers__keep_their_order_and_what_is_in_doubt_is_sent_at_most_once(
    start_hub: Callable[..., HubProcess], ada: User, own_redis: RedisServer
) -> None:
    hubs = [start_hub(env={"REDIS_URL": own_redis.url}) for _ in range(2)]
    streams = [hub.stream(ada) for hub in hubs]
    wait_heard(ada, *streams, percent=-1)
    with closing(Sender(hubs, ada)) as sender:
        for number in range(150):
            assert sender.send(number)[0] == 202
        for stream in streams:
            stream.expect(PROGRESS, where=lambda event: event.json["data"]["percent"] == 149)
            assert [number for number in percents(stream) if number >= 0] == list(range(150))

        own_redis.pause()
        for number in (1001, 1001, 1002, 1003, 1001, 1002, 1003):
            status, problem, headers = sender.send(number, key=f"event {number}")
            assert (status, problem["code"]) == (503, "unavailable")
            assert int(headers["Retry-After"]) > 0
        # More than a worker has threads: all are answered while Redis hangs, and so is who does not need it.
        client = hubs[0].client(ada)
        tasks = [lambda: client.post(EVENTS, json=sender.body(-1), headers=sender.headers).status_code] * 60
        assert set(run_together(*tasks)) == {503}
        assert client.get("/api/v1/notifications").status_code == 200
        own_redis.resume()

        def is_acknowledged(number: int) -> bool:
            return sender.send(number, key=f"event {number}")[0] == 202

        wanted = [1001, 1002, 1003]
        for number in wanted:
            wait_until(partial(is_acknowledged, number), what="the layer to take events again")
    wait_heard(ada, *streams, percent=2000)
    for stream in streams:
        seen = [number for number in percents(stream) if number in wanted]
        assert seen == sorted(set(seen))
