"""How often one may ask: token buckets, in memory and in Redis, and what happens when Redis does not answer."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import buckets as module
from notifications.buckets import Buckets, MemoryBuckets, RedisBuckets
from tests.helpers.api import Api
from tests.helpers.factories import make_user
from tests.helpers.producers import PUBLISH, draft, make_producer, post, producer_api
from tests.helpers.servers import RedisServer
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has as long for its answer as a busy machine needs."""
    monkeypatch.setattr(module, "REDIS_SECONDS", 10)


@pytest.fixture(params=["memory", "redis"])
def buckets(patience: None, request: pytest.FixtureRequest) -> Buckets:
    if request.param == "memory":
        return MemoryBuckets()
    server: RedisServer = request.getfixturevalue("redis_server")
    return RedisBuckets(server.url)


@pytest.fixture(autouse=True)
def own_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have taken counts for none of these."""
    mine = MemoryBuckets()
    monkeypatch.setattr(module, "_buckets", lambda url: mine)


def test_bucket__empty__says_how_long_to_wait_and_is_refilled(buckets: Buckets) -> None:
    assert [buckets.take("a", 600) for _ in range(600)].count(0) == 600
    while not (wait := buckets.take("a", 600)):  # what was refilled meanwhile
        pass
    assert 0 < wait <= 0.1
    assert buckets.take("b", 600) == 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while buckets.take("a", 600):
        assert time.monotonic() < deadline


def test_bucket__asked_at_once_by_many__gives_no_more_than_it_holds(buckets: Buckets) -> None:
    started = time.monotonic()
    taken = run_together(*[lambda: [buckets.take("a", 60) for _ in range(20)].count(0)] * 8)
    assert 60 <= sum(taken) <= 60 + (time.monotonic() - started) + 1


def test_bucket__in_redis__is_shared_and_does_not_stay(patience: None, redis_server: RedisServer) -> None:
    one, other = RedisBuckets(redis_server.url), RedisBuckets(redis_server.url)
    assert one.take("a", 1) == 0
    assert 0 < other.take("a", 1) <= 60
    client = redis_server.client()
    assert 0 < client.ttl("hub:bucket:a") <= 61
    client.close()


@pytest.mark.parametrize("state", ["killed", "paused"])
def test_redis__that_does_not_answer__delays_one_request_a_little_and_refuses_none(
    redis_server: RedisServer, state: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    buckets = RedisBuckets(redis_server.url)
    assert buckets.take("a", 2) == 0
    redis_server.kill() if state == "killed" else redis_server.pause()
    started = time.monotonic()
    # Another bucket: on a busy machine Redis may not have answered in time before either, and then "a" is in memory already.
    assert [buckets.take("c", 2) for _ in range(2)] == [0, 0]
    assert buckets.take("c", 2) > 0
    for _ in range(1_000):
        buckets.take("b", 1)
    # 20 ms to find out, and nothing for the thousand after it; the rest is the machine's.
    assert time.monotonic() - started < 10
    monkeypatch.setattr(module, "REDIS_PAUSE_SECONDS", 0)
    buckets._paused_until = 0
    for _ in range(3):
        buckets.take("d", 9)
    assert caplog.text.count("Redis does not count requests") == 1


def test_memory__is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUCKETS", 10)
    buckets = MemoryBuckets()
    for number in range(100):
        buckets.take(str(number), 1)
    assert len(buckets._held) == 10
    assert buckets.take("99", 1) > 0


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def test_user__who_asks_too_often__is_told_when_to_come_back(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 2}
    api = Api(ada)
    assert [api.get().status for _ in range(2)] == [200, 200]
    answer = api.get("/counts")
    assert (answer.status, answer.code) == (429, "throttled")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert Api(make_user()).get().status == 200
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 0}
    assert api.get().status == 200


def test_producer__who_sends_too_often__is_throttled_apart_from_reading(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_publish_per_minute": 1, "max_requests_per_minute": 1}
    shop = make_producer()
    first, second = producer_api(shop), producer_api(shop, name="another")
    assert post(first, PUBLISH, draft(ada)).status == 201
    answer = post(second, PUBLISH, draft(ada), key="k")
    assert (answer.status, answer.code) == (429, "throttled")
    assert int(answer.headers["Retry-After"]) <= 60
    assert Api(shop).get().status == 200
    assert post(producer_api(make_producer("b")), PUBLISH, draft(ada)).status == 201


def test_stranger__who_is_refused__takes_nothing_from_anybody(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 1, "max_publish_per_minute": 1}
    for _ in range(3):
        assert Api().get().status == 401
        assert post(Api(ada), PUBLISH, draft(ada)).status == 403
    assert Api(ada).get().status == 200
