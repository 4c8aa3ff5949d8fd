"""Redis restarted, replaced by an older copy, hanging, evicting: producers and watchers are told, in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.core.checks import CheckMessage

from notifications import checks
from notifications.run_log.answers import LogUnavailable, RunLogLost
from notifications.run_log.log import RunLog
from notifications.run_log.redis_store import RedisStore
from tests.helpers.machine.servers import RedisServer
from tests.run_log.places import (
    COMPLETED,
    LEASE,
    LIMITS,
    STARTED,
    answer_of,
    append,
    redis_log,
    request,
    said,
)

pytestmark = pytest.mark.shape("embedded")

SECONDS = 1.0


def told(log: RunLog, run: str, *words: str) -> None:
    """Begin a run and tell something."""
    log.begin(run, LEASE, STARTED, epoch="abcdefgh")
    append(log, run, 1, *words)


def test_redis__restarted_empty__producer_is_told__and_goes_on_from_its_snapshot(
    redis_server: RedisServer, run: str
) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a", "b")
    produced = log.fold(run)
    redis_server.restart()
    with pytest.raises(RunLogLost) as lost:
        append(log, run, 3, "c")
    assert lost.value.number == 0
    with pytest.raises(RunLogLost):
        log.read(run, "abcdefgh-3")
    assert log.begin_epoch(run, LEASE, produced).number == 3
    assert append(log, run, 3, "c") == 4
    page = log.read(run, "abcdefgh-3")
    assert (page.is_reset, page.after, said(page)) == (True, 3, "c")
    assert answer_of(log, run) == "abc"
    log.end(run, COMPLETED, after=4)
    log.close()


def test_redis__replaced_by_an_older_copy__is_noticed__and_no_cursor_means_two_things(
    redis_server: RedisServer, run: str
) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a", "b")
    with closing(redis_server.client()) as client:
        keys: list[bytes] = client.keys("*")  # type: ignore[assignment]
        copy: dict[bytes, Any] = {key: client.dump(key) for key in keys}
        append(log, run, 3, "c", "d")
        produced = log.fold(run)
        for key, dumped in copy.items():
            client.restore(key, 60_000, dumped, replace=True)
    # The newest request that survives is told again by a producer whose answer was lost: nothing is appended.
    assert append(log, run, 1, "a", "b") == 3
    for _ in range(2):
        with pytest.raises(RunLogLost) as lost:
            append(log, run, 5, "e")
        assert lost.value.number == 3
    log.begin_epoch(run, LEASE, produced)
    append(log, run, 5, "e")
    for number in range(7):
        assert log.read(run, f"abcdefgh-{number}").is_reset
    assert answer_of(log, run) == "abcde"
    log.close()


def test_redis__that_forgets_its_scripts__learns_them_again(redis_server: RedisServer, run: str) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a")
    with closing(redis_server.client()) as client:
        client.script_flush()
    answers = log.append_many([request(run, 2, "b"), request(run, 3, "c")])
    assert [getattr(answer, "number", None) for answer in answers] == [3, 4]
    assert answer_of(log, run) == "abc"
    log.close()


@pytest.mark.parametrize("is_connected", [True, False], ids=["connected", "new"])
def test_redis__that_hangs__blocks_no_call_for_longer_than_its_seconds(
    redis_server: RedisServer, run: str, is_connected: bool
) -> None:
    telling = redis_log(redis_server.url)
    told(telling, run, "a")
    telling.close()
    log = redis_log(redis_server.url, max_wait_seconds=SECONDS)
    if is_connected:
        log.read(run, None)
    calls: list[Callable[[], object]] = [
        lambda: append(log, run, 2, "b"),
        lambda: log.read(run, None),
        lambda: log.end(run, COMPLETED),
        lambda: log.erase(run),
    ]
    redis_server.pause()
    try:
        quickest = min(seconds_until_unavailable(call) for call in calls)
    finally:
        redis_server.resume()
    assert quickest <= SECONDS
    log.close()
    log = redis_log(redis_server.url)
    # What was sent to the one run while it hung may be done at any time from now on.
    other = f"{run}-other"
    told(log, other, "a")
    assert answer_of(log, other) == "a"
    log.close()


def test_redis__that_is_gone__is_unavailable__and_back_it_is_used_again(
    redis_server: RedisServer, run: str
) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a")
    redis_server.kill()
    with pytest.raises(LogUnavailable):
        append(log, run, 2, "b")
    redis_server.start()
    told(log, run, "again")
    assert answer_of(log, run) == "again"
    log.close()


def test_redis__full_or_read_only__is_unavailable(redis_server: RedisServer, run: str) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a")
    with closing(redis_server.client()) as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(LogUnavailable):
            append(log, run, 2, "b")
        client.config_set("maxmemory", "0")
    assert append(log, run, 2, "b") == 3
    log.close()


def test_log__whose_events_or_snapshot_were_evicted__is_lost_for_readers(
    redis_server: RedisServer, run: str
) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a")
    log.trim(run)
    _, events, snapshot = RedisStore(
        {"address": redis_server.url}, prefix="hub:test", limits=LIMITS, max_wait_seconds=1
    ).keys(run)
    with closing(redis_server.client()) as client:
        client.delete(snapshot)
        with pytest.raises(RunLogLost):
            log.read(run, None)
        client.delete(events)
        with pytest.raises(RunLogLost):
            log.read(run, "earliest")
    log.close()


def test_keys__of_a_run__lie_in_one_slot_and_expire(redis_server: RedisServer, run: str) -> None:
    log = redis_log(redis_server.url)
    told(log, run, "a")
    log.trim(run)
    with closing(redis_server.client()) as client:
        keys: list[bytes] = client.keys("*")  # type: ignore[assignment]
        assert len(keys) == 3
        assert {key.partition(b"{")[2].partition(b"}")[0] for key in keys} == {run.encode()}
        lasting = [client.pttl(key) for key in keys]
        log.begin_epoch(run, LEASE, log.fold(run))
        append(log, run, 2, "b")
        assert [client.pttl(key) > 0 for key in keys] == [True] * 3
        log.end(run, COMPLETED)
        kept = [client.pttl(key) for key in keys]
    assert all(0 < after <= 3_600_000 < before for before, after in zip(lasting, kept, strict=True))
    log.close()


def check_with(settings: Any, url: str) -> list[CheckMessage]:
    """What the check of Redis's memory says."""
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": url, "socket_timeout": 15}]},
        }
    }
    return list(checks.check_redis_memory(None))


def test_check__of_an_evicting_redis__warns__and_of_one_that_hangs_says_nothing(
    redis_server: RedisServer, settings: Any
) -> None:
    assert list(checks.check_redis_memory(None)) == []
    assert check_with(settings, redis_server.url) == []
    with closing(redis_server.client()) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    [warning] = check_with(settings, redis_server.url)
    assert warning.id == "notification_hub.W007"
    assert "allkeys-lru" in warning.msg
    redis_server.pause()
    assert check_with(settings, redis_server.url) == []
    redis_server.kill()
    assert check_with(settings, redis_server.url) == []


def seconds_until_unavailable(call: Callable[[], object]) -> float:
    """How long a call waits before it gives up."""
    began = time.monotonic()
    with pytest.raises(LogUnavailable):
        call()
    return time.monotonic() - began
