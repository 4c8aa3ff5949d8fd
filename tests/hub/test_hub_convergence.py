"""The master claim (I12) with everything real: two workers, PostgreSQL, a Redis that is lost, workers that
are killed, writers, and clients that know nothing but their cursor.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.models import Change, Notification
from tests.helpers import auditor
from tests.helpers.factories import make_user, order_event
from tests.helpers.machine.guarded import GuardedProcess
from tests.helpers.machine.servers import RedisServer
from tests.helpers.oracle import Client, listed
from tests.helpers.processes import ROOT, HubProcess, hub_environment, session_headers
from tests.helpers.sse import ServerSentEvent, UnexpectedEnd
from tests.helpers.streams import LiveStream
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until
from tests.serving.test_serving_workers import wait_serving, workers

pytestmark = [pytest.mark.system, pytest.mark.shape("production")]

# All are found again within a second or two, and each client has several connections even without a fault.
ENVIRON = {
    "WEB_CONCURRENCY": "2",
    "HUB_RECONCILE_SECONDS": "1",
    "HUB_SWEEP_SECONDS": "0.5",
    "HUB_MAX_STREAM_SECONDS": "4",
    "HUB_RETRY_MILLISECONDS": "100",
    "HUB_MAX_QUEUE_FRAMES": "8",
    "HUB_MAX_BACKLOG_PAGE": "20",
    "HUB_MAX_REQUESTS_PER_MINUTE": "0",
}
GONE = (OSError, http.client.HTTPException, httpx.TransportError)


class Follower(threading.Thread):
    """A client in a thread: whatever happens to its connection, it comes back with the cursor of what it has
    folded.
    """

    def __init__(self, hub: HubProcess, user: User) -> None:
        super().__init__(daemon=True)
        self.user = user
        self.client = Client()
        self.cursor = "earliest"
        self.connection_count = 0
        self.error: BaseException | None = None
        self.is_over = threading.Event()
        self._base_url = hub.base_url
        self._headers = session_headers(user)

    def run(self) -> None:
        """Follow until told otherwise; what goes wrong is kept for the test."""
        try:
            while not self.is_over.is_set():
                with contextlib.suppress(*GONE):
                    self.follow()
        except BaseException as error:  # noqa: BLE001 (the test raises it)
            self.error = error

    def follow(self) -> None:
        """One connection, to its end."""
        raise NotImplementedError

    @property
    def position(self) -> int:
        """Up to where it knows the inbox."""
        return int(self.cursor.rpartition("-")[2]) if "-" in self.cursor else 0


class StreamFollower(Follower):
    """By the stream. Without a filter nothing may be missing (I6), repeated, or out of order (I5): the fold
    asserts it.
    """

    def __init__(self, hub: HubProcess, user: User, seen: dict[str, str], query: str = "") -> None:
        super().__init__(hub, user)
        self._seen = seen
        # With a name of its own, so that a killed worker's stream does not count beside the one that comes
        # after it.
        self._query = f"&client={uuid4()}{query}"
        if query:
            self.client.floor = 10**9  # what a filter hides is a gap

    def follow(self) -> None:
        headers = self._headers | ({"Last-Event-ID": self.cursor} if "-" in self.cursor else {})
        query = f"after=earliest&heartbeat=5&on_limit=retry{self._query}"
        url = f"{self._base_url}/api/v1/notifications/stream?{query}"
        with LiveStream(url, headers=headers, timeout=PATIENCE_SECONDS) as stream:
            assert stream.status in (200, 503), stream.status
            self.connection_count += 1
            while not self.is_over.is_set():
                try:
                    event = stream.expect()
                except UnexpectedEnd:
                    assert stream.ended, "nothing came for 30 s, not even a heartbeat"
                    return
                self.take(event)

    def take(self, event: ServerSentEvent) -> None:
        """Fold what came, then go on from its cursor."""
        assert event.type != "stream.reset", event.data
        if event.type == "stream.open":
            assert event.json["resume"] == "exact"
            assert self.cursor in (event.id, "earliest")
        if "position" in event.json:
            self.client.fold(event.json)
            # The same bytes for everybody, live and resumed, from whichever worker (I4).
            assert self._seen.setdefault(str(event.id), event.data) == event.data
        if event.id is not None:
            assert int(event.id.rpartition("-")[2]) >= self.position
            self.cursor = event.id


class Poller(Follower):
    """By the polling delta."""

    def __init__(self, hub: HubProcess, user: User, epoch: str) -> None:
        super().__init__(hub, user)
        self.cursor = f"{epoch}-0"

    def follow(self) -> None:
        with httpx.Client(
            base_url=self._base_url, headers=self._headers, timeout=PATIENCE_SECONDS, trust_env=False
        ) as client:
            self.connection_count += 1
            while not self.is_over.is_set():
                answer = client.get(
                    "/api/v1/notifications/changes", params={"after": self.cursor, "limit": 7}
                )
                if answer.status_code == 503:
                    continue
                assert answer.status_code == 200, answer.text
                for change in answer.json()["changes"]:
                    self.client.fold(change)
                self.cursor = answer.json()["cursor"]
                time.sleep(0.05)  # as a client does; nothing waits for it


@pytest.fixture
def hub(transactional_db: None, redis_server: RedisServer) -> Iterator[HubProcess]:
    with HubProcess(env={**ENVIRON, "REDIS_URL": redis_server.url}) as running:
        wait_until(lambda: "with 2 workers" in running.output(), timeout=LONG_SECONDS)
        yield running


@pytest.fixture
def users(transactional_db: None) -> list[User]:
    return [make_user() for _ in range(3)]


@pytest.fixture
def writer(users: list[User], redis_server: RedisServer, tmp_path: Path) -> Iterator[GuardedProcess]:
    """Does everything to everybody until it is killed."""
    command = [sys.executable, "-m", "tests.helpers.writers", "--rounds", "1000000", "--users"]
    with GuardedProcess(
        [*command, *(str(user.pk) for user in users)],
        log=tmp_path / "writer.log",
        env=hub_environment({"REDIS_URL": redis_server.url}),
        cwd=ROOT,
    ) as process:
        yield process


def followers_of(hub: HubProcess, users: list[User]) -> list[Follower]:
    followers: list[Follower] = []
    for user in users:
        seen: dict[str, str] = {}
        followers += [
            StreamFollower(hub, user, seen),
            StreamFollower(hub, user, seen),
            StreamFollower(hub, user, seen, "&category=sync"),
            Poller(hub, user, services.open_inbox(user.pk).epoch),
        ]
    for follower in followers:
        follower.start()
    return followers


def write_on(users: list[User], *, changes: int) -> None:
    """Wait until that many more changes are there, and send to everybody what the filter admits."""
    goal = Change.objects.count() + changes
    services.notify_many(users, order_event(type_name="sync.job.failed"), title="No hint tells of me")
    wait_until(lambda: Change.objects.count() >= goal, timeout=LONG_SECONDS, what=f"{changes} more changes")


def kill_worker(hub: HubProcess, number: int) -> None:
    killed = wait_serving(hub)[number]
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: workers(hub)[number] != killed, timeout=LONG_SECONDS, what=f"a successor of worker {number}"
    )


def test_clients__redis_lost_and_empty_workers_and_writer_killed__hold_what_the_database_holds(
    hub: HubProcess, users: list[User], redis_server: RedisServer, writer: GuardedProcess
) -> None:
    wait_serving(hub)
    followers = followers_of(hub, users)
    try:
        write_on(users, changes=40)
        redis_server.kill()
        write_on(users, changes=40)
        redis_server.start()
        write_on(users, changes=40)
        for number in (1, 2):
            kill_worker(hub, number)
            write_on(users, changes=30)
        writer.kill()
        write_on(users, changes=len(users))
        wait_until(lambda: not Notification.objects.filter(position=None).exists())
        heads = {user.pk: services.open_inbox(user.pk).head for user in users}
        wait_until(
            lambda: all(f.error or f.position >= heads[f.user.pk] for f in followers),
            timeout=LONG_SECONDS,
            what="the last change at every client",
        )
    finally:
        for follower in followers:
            follower.is_over.set()
        for follower in followers:
            follower.join(LONG_SECONDS)
    assert [follower.error for follower in followers if follower.error] == []
    assert auditor.problems() == auditor.history_problems() == []
    for follower in followers:
        fresh, client = listed(follower.user.pk), follower.client
        if client.floor:
            wanted = {key: item for key, item in fresh.items.items() if item["category"] == "sync"}
            assert wanted
            assert client.items == wanted
        else:
            assert (client.items, client.position) == (fresh.items, heads[follower.user.pk])
            assert client.unread_count == fresh.unread_count
        assert follower.connection_count > 1 or isinstance(follower, Poller)
    assert hub.output().count("was ended by SIGKILL") == 2
