"""Slots and records of streams over two real workers: the limit, `client=`, ends from outside, and a killed
worker.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User

from notifications.models import StreamSession, Worker
from tests.helpers.factories import make_user, send
from tests.helpers.machine.servers import RedisServer
from tests.helpers.processes import HubProcess, manage
from tests.helpers.streams import LiveStream, at, complaints
from tests.helpers.waiting import LONG_SECONDS, wait_until

pytestmark = [pytest.mark.system, pytest.mark.shape("production")]

LOST_SECONDS = 5  # for so long a busy machine may keep a worker from showing that it lives
DEACTIVATE = (
    "from django.contrib.auth.models import User; u = User.objects.get(username='{}'); u.is_active "
    "= False; u.save()"
)


@pytest.fixture
def hub(transactional_db: None) -> Iterator[HubProcess]:
    environ = {
        "WEB_CONCURRENCY": "2",
        "HUB_RECONCILE_SECONDS": "1",
        "HUB_SWEEP_SECONDS": "0.5",
        "HUB_WORKER_LOST_SECONDS": str(LOST_SECONDS),
    }
    with HubProcess(env=environ) as running:
        wait_until(lambda: "with 2 workers" in running.output(), timeout=LONG_SECONDS)
        yield running


def row_of(stream: LiveStream) -> StreamSession:
    return StreamSession.objects.select_related("worker").get(pk=UUID(stream.events[0].json["stream"]))


def worker_of(stream: LiveStream) -> Worker:
    """The process that serves a stream."""
    worker = row_of(stream).worker
    assert worker is not None
    return worker


def live(hub: HubProcess, user: User, query: str = "") -> LiveStream:
    stream = hub.stream(user, query)
    stream.expect("stream.live")
    return stream


def live_elsewhere(hub: HubProcess, user: User, pid: int, query: str = "") -> LiveStream:
    """A stream on another worker than that of process `pid`; the kernel picks, so it is asked for until it
    is.
    """

    def try_it() -> LiveStream | None:
        stream = hub.stream(user, query)
        # Those that were dropped count until their worker has noticed, and then there may be no place for
        # another one.
        if stream.status == 200:
            stream.expect("stream.live")
            if worker_of(stream).pid != pid:
                return stream
        stream.close()
        return None

    found = wait_until(try_it, timeout=LONG_SECONDS, what="a stream on the other worker")
    assert found is not None
    return found


def wait_recorded(stream: LiveStream, reason: str) -> StreamSession:
    wait_until(lambda: row_of(stream).reason == reason, what=f"a row that ended by {reason}")
    return row_of(stream)


def test_limit__holds_over_both_workers__and_a_killed_ones_slots_are_freed(
    hub: HubProcess, ada: User
) -> None:
    first = live(hub, ada)
    killed = worker_of(first).pid
    second = live_elsewhere(hub, ada, killed)
    wait_until(lambda: StreamSession.objects.filter(user=ada, closed_at=None).count() == 2)
    streams = [first, second, *(live(hub, ada) for _ in range(4))]
    refused = [hub.stream(ada) for _ in range(6)]
    assert [stream.status for stream in refused] == [429] * 6
    send(ada)
    for stream in streams:
        stream.expect("notification.created", where=at(1))
    wait_until(lambda: [row_of(stream).position for stream in streams] == [1] * 6, what="all positions")

    theirs = [stream for stream in streams if worker_of(stream).pid == killed]
    os.kill(killed, signal.SIGKILL)
    for stream in theirs:
        row = wait_recorded(stream, "lost")
        assert (row.start_position, row.position) == (0, 1)
        assert row.closed_at is not None
        assert row.opened_at <= row.closed_at == max(worker_of(stream).seen_at, row.opened_at)
    again = [live(hub, ada) for _ in theirs]
    assert hub.stream(ada).status == 429
    for stream in set(streams) - set(theirs):
        assert stream.ended is None
        assert row_of(stream).closed_at is None
    assert hub.stop() == 0
    for stream in {*streams, *again} - set(theirs):
        assert row_of(stream).reason == "shutdown"
    assert not Worker.objects.filter(ended_at=None).exists()


def test_other_worker__replaces_a_client_and_ends_a_stream_at_once(hub: HubProcess, ada: User) -> None:
    client = uuid4()
    first = live(hub, ada, f"client={client}")
    send(ada)
    first.expect("notification.created")
    pid = worker_of(first).pid
    other = live_elsewhere(hub, ada, pid)
    # The same name on the other worker; on its own worker it is replaced too, and then the next try stands
    # against that one.
    streams = [first]

    def replace() -> bool:
        streams.append(live(hub, ada, f"client={client}"))
        close = streams[-2].expect("stream.close")
        assert (close.json["reason"], close.json["reconnect"]) == ("replaced", False)
        return worker_of(streams[-1]).pid != worker_of(streams[-2]).pid

    wait_until(replace, timeout=LONG_SECONDS, what="a replacement over workers")
    wait_recorded(first, "replaced")
    for stream in (first, other):
        wait_until(lambda stream=stream: not row_of(stream).requested_end)  # type: ignore[misc]
    assert row_of(first).position == 1  # its own process has written how far it came, and that it ended it

    rest = hub.client(ada)
    ids = {row["id"] for row in rest.get("/api/v1/streams").json()["results"]}
    assert ids == {str(row_of(other).pk), str(row_of(streams[-1]).pk)}
    for stream in (other, streams[-1]):  # one at least is on another worker than the request
        assert rest.delete(f"/api/v1/streams/{row_of(stream).pk}").status_code == 204
        assert stream.expect("stream.close").json["reason"] == "revoked"
    wait_until(lambda: rest.get("/api/v1/streams").json() == {"results": []})
    assert hub.stop() == 0
    assert complaints(hub.output()) == []


def test_killed_worker__its_slots_are_free_long_before_it_would_be_taken_for_lost(
    transactional_db: None, ada: User
) -> None:
    environ = {"WEB_CONCURRENCY": "2", "HUB_WORKER_LOST_SECONDS": "3600", "HUB_MAX_STREAMS_PER_USER": "2"}
    with HubProcess(env=environ) as hub:
        wait_until(lambda: "with 2 workers" in hub.output(), timeout=LONG_SECONDS)
        for _ in range(2):  # a successor is as mortal
            streams = [live(hub, ada), live(hub, ada)]
            for pid in {worker_of(stream).pid for stream in streams}:
                os.kill(pid, signal.SIGKILL)
            for stream in streams:
                wait_recorded(stream, "lost")


def test_all_killed_at_once__whoever_starts_on_the_machine_frees_their_slots(
    transactional_db: None, ada: User
) -> None:
    environ = {"WEB_CONCURRENCY": "2", "HUB_WORKER_LOST_SECONDS": "3600", "HUB_MAX_STREAMS_PER_USER": "2"}
    with HubProcess(env=environ) as hub:
        wait_until(lambda: "with 2 workers" in hub.output(), timeout=LONG_SECONDS)
        streams = [live(hub, ada), live(hub, ada)]
        supervisor = hub.pid
        for pid in (supervisor, *{worker_of(stream).pid for stream in streams}):
            os.kill(pid, signal.SIGKILL)
    with HubProcess(env={"HUB_WORKER_LOST_SECONDS": "3600", "HUB_MAX_STREAMS_PER_USER": "2"}) as successor:
        for stream in streams:
            wait_recorded(stream, "lost")
        assert successor.stream(ada).status == 200


def test_worker__paused_for_longer_than_it_may__has_its_streams_back(
    transactional_db: None, ada: User
) -> None:
    """Two hubs without a supervisor, which would end the one that is paused."""
    environ = {
        "HUB_RECONCILE_SECONDS": "1",
        "HUB_SWEEP_SECONDS": "0.5",
        "HUB_WORKER_LOST_SECONDS": str(LOST_SECONDS),
    }
    with HubProcess(env=environ) as hub, HubProcess(env=environ):
        stream = live(hub, ada)
        pid = worker_of(stream).pid
        # The other one needs no stream to find it: its sweeper does.
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_recorded(stream, "lost")
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: row_of(stream).closed_at is None, what="its row, opened again")
        send(ada)
        stream.expect("notification.created")
        stream.close()
        assert wait_recorded(stream, "client").position == 1


def test_right_that_ends__ends_its_streams_on_both_workers__by_hints_and_without_redis(
    transactional_db: None,
) -> None:
    """Two seconds and ten are promised; the rest is for a busy machine."""

    def open_on_both(name: str) -> tuple[User, list[LiveStream]]:
        user = make_user(name)
        first = live(hub, user)
        return user, [first, live_elsewhere(hub, user, worker_of(first).pid)]

    def is_told_at_once(name: str) -> bool:
        _, streams = open_on_both(name)
        manage("shell", "-c", DEACTIVATE.format(name), env={"REDIS_URL": redis.url})  # tells both workers
        ended = time.monotonic()
        for stream in streams:
            assert stream.expect("stream.close").json["reason"] == "revoked"
        return time.monotonic() - ended < 5

    with RedisServer() as redis, HubProcess(env={"WEB_CONCURRENCY": "2", "REDIS_URL": redis.url}) as hub:
        wait_until(lambda: "with 2 workers" in hub.output(), timeout=LONG_SECONDS)
        (bob, bobs), (_, others) = open_on_both("bob"), open_on_both("grace")
        assert any(is_told_at_once(f"ada{number}") for number in range(4))
        redis.stop()
        bob.is_active = False
        bob.save()  # tells another Redis
        for stream in bobs:
            assert stream.expect("stream.close").json["reason"] == "revoked"
        assert [stream.ended for stream in others] == [None, None]
