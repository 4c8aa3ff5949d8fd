"""How often one may ask: token buckets, in memory and in Redis, and what happens when Redis does not
answer.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from notifications.http import token_buckets as module
from notifications.http.token_buckets import Allowance, Buckets, MemoryBuckets, RedisBuckets
from tests.helpers.api import PUBLISH, Api, draft, post, producer_api
from tests.helpers.factories import make_producer, make_user
from tests.helpers.machine.servers import RedisServer
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


def granted(buckets: Buckets, owner: str, per_minute: int, times: int) -> int:
    """How many of so many requests there was a token for."""
    return [buckets.take("user", owner, per_minute).is_granted for _ in range(times)].count(True)


def test_bucket__empty__says_how_long_to_wait_and_is_refilled(buckets: Buckets) -> None:
    assert granted(buckets, "a", 600, 600) == 600
    while (taken := buckets.take("user", "a", 600)).is_granted:  # what was refilled meanwhile
        pass
    assert (taken.policy, taken.limit, taken.remaining, taken.seconds) == ("user", 600, 0, 1)
    assert buckets.take("user", "b", 600).remaining == 599
    assert buckets.take("producer", "a", 600).is_granted, "a bucket of each limit"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not buckets.take("user", "a", 600).is_granted:
        assert time.monotonic() < deadline


def test_bucket__asked_at_once_by_many__gives_no_more_than_it_holds(buckets: Buckets) -> None:
    started = time.monotonic()
    taken = run_together(*[lambda: granted(buckets, "a", 60, 20)] * 8)
    assert 60 <= sum(taken) <= 60 + (time.monotonic() - started) + 1


def test_bucket__in_redis__is_shared_and_does_not_stay(patience: None, redis_server: RedisServer) -> None:
    one, other = RedisBuckets(redis_server.url), RedisBuckets(redis_server.url)
    assert one.take("user", "a", 1).is_granted
    refused = other.take("user", "a", 1)
    assert not refused.is_granted
    assert 0 < refused.seconds <= 60
    client = redis_server.client()
    assert 0 < client.ttl("hub:bucket:user:a") <= 61
    client.close()


@pytest.mark.parametrize("state", ["killed", "paused"])
def test_redis__that_does_not_answer__delays_one_request_a_little_and_refuses_none(
    redis_server: RedisServer, state: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    buckets = RedisBuckets(redis_server.url)
    assert granted(buckets, "a", 2, 1) == 1
    redis_server.kill() if state == "killed" else redis_server.pause()
    started = time.monotonic()
    # Another bucket: on a busy machine Redis may not have answered in time before either, and then "a" is in
    # memory already.
    assert granted(buckets, "c", 2, 3) == 2
    granted(buckets, "b", 1, 1_000)
    # 20 ms to find out, and nothing for the thousand after it; the rest is the machine's.
    assert time.monotonic() - started < 10
    monkeypatch.setattr(module, "REDIS_PAUSE_SECONDS", 0)
    buckets._paused_until = 0
    granted(buckets, "d", 9, 3)
    assert caplog.text.count("Redis does not count requests") == 1


def test_memory__is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUCKETS", 10)
    buckets = MemoryBuckets()
    for number in range(100):
        buckets.take("user", number, 1)
    assert len(buckets._buckets) == 10
    assert not buckets.take("user", 99, 1).is_granted


@pytest.mark.parametrize(
    ("tokens", "is_granted", "remaining", "seconds"),
    [(19.0, True, 19, 3), (1.5, True, 1, 56), (0.5, True, 0, 2), (0.0, True, 0, 3), (0.9, False, 0, 1)],
)
def test_allowance__tells_when_the_bucket_is_full__or_an_empty_one_has_a_token(
    tokens: float, is_granted: bool, remaining: int, seconds: int
) -> None:
    allowance = Allowance("user", 20, tokens, is_granted)
    assert allowance.headers == {
        "RateLimit-Policy": '"user";q=20;w=60',
        "RateLimit": f'"user";r={remaining};t={seconds}',
    }
    assert allowance.problem_members(datetime(2026, 11, 21, tzinfo=UTC)) == {
        "limit": 20,
        "remaining": remaining,
        "reset_at": f"2026-11-21T00:00:{seconds:02}.000000Z",
    }


def test_user__who_asks_too_often__is_told_when_to_come_back(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 2}
    api = Api(ada)
    first, second = api.get(), api.get(f"/{uuid4()}")
    assert (first.status, second.status) == (200, 404)
    for answer, left in ((first, 1), (second, 0)):
        assert answer.headers["RateLimit-Policy"] == '"user";q=2;w=60'
        assert re.fullmatch(rf'"user";r={left};t=([1-9]|[12][0-9]|30)', answer.headers["RateLimit"])
    began = datetime.now(UTC)
    answer = api.get("/counts")
    assert (answer.status, answer.code) == (429, "throttled")
    seconds = int(answer.headers["Retry-After"])
    assert 1 <= seconds <= 30
    assert answer.headers["RateLimit"] == f'"user";r=0;t={seconds}'
    assert (answer.problem["limit"], answer.problem["remaining"]) == (2, 0)
    reset_at = datetime.fromisoformat(answer.problem["reset_at"])
    assert timedelta(0) <= reset_at - began - timedelta(seconds=seconds) < timedelta(seconds=PATIENCE_SECONDS)
    assert Api(make_user()).get().status == 200
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 0}
    unlimited = api.get()
    assert unlimited.status == 200
    assert "RateLimit" not in unlimited.headers


def test_producer__who_sends_too_often__is_throttled_apart_from_reading(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_publish_per_minute": 1, "max_requests_per_minute": 1}
    shop = make_producer()
    first, second = producer_api(shop), producer_api(shop, name="another")
    assert post(first, PUBLISH, draft(ada)).status == 201
    answer = post(second, PUBLISH, draft(ada), key="k")
    assert (answer.status, answer.code) == (429, "throttled")
    assert answer.headers["RateLimit-Policy"] == '"producer";q=1;w=60'
    assert int(answer.headers["Retry-After"]) <= 60
    assert Api(shop).get().status == 200
    assert post(producer_api(make_producer("b")), PUBLISH, draft(ada)).status == 201


def test_stranger__who_is_refused__takes_nothing_from_anybody(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 1, "max_publish_per_minute": 1}
    for _ in range(3):
        assert Api().get().status == 401
        assert post(Api(ada), PUBLISH, draft(ada)).status == 403
    assert Api(ada).get().status == 200
