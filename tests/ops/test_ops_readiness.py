"""``/healthz``: alive is alive; ready is ready, degraded without the layer, and unavailable without what
everything needs.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import channel_layers
from channels.routing import URLRouter
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from notifications.ops import readiness
from notifications.ops.routing import ops_routes
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import stream_scope
from tests.helpers.machine.servers import RedisServer
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

pytestmark = pytest.mark.django_db(transaction=True)

WELL = {"status": "ready", "process": "ok", "database": "ok", "migrations": "ok", "layer": "ok"}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database and the layer have as long for their answer as a busy machine needs, unless a test says
    otherwise.
    """
    monkeypatch.setattr(readiness, "DATABASE_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(readiness, "LAYER_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def runtime_ends() -> AsyncIterator[None]:
    """What the hub has begun in the test's loop ends with the test, also with one that fails: else the loop
    may wait for it for ever.
    """
    yield
    await current_runtime().stop()


@pytest.fixture
async def router(runtime_ends: None) -> URLRouter:
    return URLRouter(ops_routes())


class Answer:
    """An answer, read from its ASGI messages."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start, body = messages
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.json: Any = json.loads(body["body"]) if body["body"] else None


async def ask(router: Any, path: str = "ready", **scope: Any) -> Answer:
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await router({**stream_scope(), "path": f"/healthz/{path}", **scope}, receive, send)
    return Answer(messages)


async def test_live__whatever_is_lost__is_200(router: URLRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "missing_migrations", fail)
    answer = await ask(router, "live")
    assert (answer.status, answer.json) == (200, {"status": "live"})
    assert answer.headers["cache-control"] == "no-store"


async def test_ready__with_everything__is_200(router: URLRouter) -> None:
    answer = await ask(router)
    assert (answer.status, answer.json) == (200, WELL)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "headers", [[], [(b"host", b"10.1.2.3:8000")], [(b"host", b"a.b\0c")], [(b"cookie", b"sessionid=x")]]
)
async def test_ready__whoever_asks_in_whatever_way__is_the_same(
    router: URLRouter, headers: list[tuple[bytes, bytes]]
) -> None:
    with override_settings(DEBUG=False, ALLOWED_HOSTS=["hub.example.com"], SECURE_SSL_REDIRECT=True):
        assert (await ask(router, headers=headers)).json == WELL
        assert (await ask(router, headers=headers, query_string=b"%00&a=%ED%A0%80")).status == 200


@pytest.mark.parametrize("path", ["live", "ready"])
async def test_other_methods__are_refused(router: URLRouter, path: str) -> None:
    answer = await ask(router, path, method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await ask(router, path, method="HEAD")).status == 200


async def test_ready__unapplied_migrations__is_503(router: URLRouter) -> None:
    rows = MigrationRecorder.Migration.objects.filter(app="notification_hub", name="0001_initial")
    row = await in_database_thread(rows.get)
    await in_database_thread(rows.delete)
    try:
        answer = await ask(router)
    finally:
        await in_database_thread(row.save, force_insert=True)
    assert (answer.status, answer.json["status"], answer.json["migrations"]) == (
        503,
        "unavailable",
        "missing",
    )
    assert answer.headers["retry-after"] == "1"


def test_missing_migrations__of_an_empty_database__are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationRecorder.Migration._meta, "db_table", "there_is_no_such_table")
    missing = readiness.missing_migrations()
    assert ("notification_hub", "0001_initial") in missing
    assert missing == set(readiness.known_migrations())


def test_missing_migrations__replaced_by_one__are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    squashed, parts = ("notification_hub", "0001_squashed"), {("notification_hub", "0001_initial")}
    monkeypatch.setattr(readiness, "known_migrations", lambda: {squashed: frozenset(parts)})
    assert readiness.missing_migrations() == set()
    monkeypatch.setattr(
        readiness, "known_migrations", lambda: {squashed: frozenset({("notification_hub", "no")})}
    )
    assert readiness.missing_migrations() == {squashed}


def test_missing_migrations__cost_two_queries(django_assert_num_queries: Any) -> None:
    readiness.known_migrations()
    with django_assert_num_queries(2):
        assert readiness.missing_migrations() == set()


def fail() -> None:
    raise OperationalError("the database is gone")


@pytest.mark.usefixtures("runtime_ends")
async def test_ready__database_gone_and_back__is_503_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    ready = readiness.Readiness(lambda: now[0])
    with monkeypatch.context() as patch:
        patch.setattr(readiness, "missing_migrations", fail)
        report = await ready.report()
    assert (report.status, report.database, report.migrations) == ("unavailable", "lost", "unknown")
    now[0] = readiness.CACHE_SECONDS
    assert (await ready.report()).status == "ready"


@pytest.mark.usefixtures("runtime_ends")
async def test_ready__database_hangs__is_503_in_time_and_takes_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, asked = threading.Event(), []

    def hang() -> set[Any]:
        asked.append(1)
        release.wait(PATIENCE_SECONDS)
        return set()

    now = [0.0]
    ready = readiness.Readiness(lambda: now[0])
    monkeypatch.setattr(readiness, "missing_migrations", hang)
    monkeypatch.setattr(readiness, "DATABASE_SECONDS", 0.05)
    try:
        for _ in range(3):
            assert (await ready.report()).database == "lost"
            now[0] += readiness.CACHE_SECONDS
        assert len(asked) == 1
    finally:
        release.set()
    monkeypatch.setattr(readiness, "DATABASE_SECONDS", PATIENCE_SECONDS)
    assert (await ready.report()).status == "ready"


@pytest.mark.usefixtures("runtime_ends")
async def test_ready__asked_very_often__asks_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(readiness, "missing_migrations", lambda: asked.append(1))
    now = [0.0]
    ready = readiness.Readiness(lambda: now[0])
    await asyncio.gather(*(ready.report() for _ in range(50)))
    await ready.report()
    assert len(asked) == 1
    now[0] = readiness.CACHE_SECONDS
    await ready.report()
    assert len(asked) == 2


async def test_ready__while_draining__is_503(router: URLRouter) -> None:
    current_runtime().is_draining = True
    answer = await ask(router)
    assert (answer.status, answer.json["process"]) == (503, "draining")


@override_settings(CHANNEL_LAYERS={})
async def test_ready__without_a_layer__is_degraded(router: URLRouter) -> None:
    answer = await ask(router)
    assert (answer.status, answer.json) == (200, WELL | {"status": "degraded", "layer": "none"})


@pytest.fixture
async def layer_of_its_own(redis_server: RedisServer) -> AsyncIterator[None]:
    """A channel layer that talks to the test's own Redis."""
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    layer = {"BACKEND": backend, "CONFIG": {"hosts": [redis_server.url]}}
    with override_settings(CHANNEL_LAYERS={"default": layer}):
        channel_layers.backends = {}
        yield
        await current_runtime().stop()
        await channel_layers["default"].flush()
    channel_layers.backends = {}


@pytest.mark.usefixtures("layer_of_its_own")
async def test_ready__layer_lost_hung_and_back__is_degraded_until_then(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(readiness, "LAYER_SECONDS", 0.3)
    ready = readiness.Readiness(lambda: now[0])

    async def status() -> tuple[str, str]:
        now[0] += readiness.CACHE_SECONDS
        report = await ready.report()
        return report.status, report.layer

    async def is_ready() -> bool:
        return await status() == ("ready", "ok")  # a busy machine may take longer than is waited for here

    await wait_until_async(is_ready)
    redis_server.pause()
    assert await status() == ("degraded", "lost")
    redis_server.resume()
    await wait_until_async(is_ready)
    redis_server.kill()
    assert await status() == ("degraded", "lost")
    redis_server.restart()
    await wait_until_async(is_ready)


def test_probe__of_a_real_process__is_answered_by_plain_http_under_any_host(live_hub: Any) -> None:
    for path, status in (("live", "live"), ("ready", "ready")):
        client = http.client.HTTPConnection("127.0.0.1", live_hub.port, timeout=PATIENCE_SECONDS)
        client.request("GET", f"/healthz/{path}", headers={"Host": "somewhere.else"})
        answer = client.getresponse()
        assert (answer.status, json.loads(answer.read())["status"]) == (200, status)
        client.close()
