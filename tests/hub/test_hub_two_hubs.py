"""Two hubs on one Redis server, one of them on a copy of the other's database with the same SECRET_KEY:
neither hears the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from psycopg import sql

from notifications import selectors, services
from notifications.event_types import UntypedEvent
from notifications.models import Notification
from notifications.ops.other_installations import find_other_installations
from notifications.streaming.hints import publisher
from tests.helpers.factories import make_user, send
from tests.helpers.processes import HubProcess, current_database_url, session_headers
from tests.helpers.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.shape("production")]

PROGRESS = "imports.file.progress"
STREAM = "/api/v1/notifications/stream"
TAIL = "/admin/notification_hub/live/tail"
# Whatever comes, comes by the layer alone.
NO_LOOKS = {"HUB_RECONCILE_SECONDS": "300"}


class Hub:
    """A hub with streams of ada, who has the same key and the same cookies in both."""

    def __init__(self, process: HubProcess, cookies: Mapping[str, str]) -> None:
        self.process = process
        self.client = process.client()
        self.client.headers.update(cookies)
        self.stream, self.tail = [process.stream(headers=cookies, path=path) for path in (STREAM, TAIL)]
        self.stream.expect("stream.live")
        self.tail.expect("tail.open")

    def emit(self, percent: int) -> None:
        """Emit a transient event in its own process."""
        body = {"to": {"users": ["ada"]}, "type": PROGRESS, "data": {"percent": percent}}
        answer = self.client.post("/api/v1/events", json=body)
        assert answer.status_code == 202, answer.text

    def expect(self, percent: int) -> None:
        """Wait for it."""
        self.stream.expect(PROGRESS, where=lambda event: event.json["data"]["percent"] == percent)

    def wait_heard(self) -> None:
        """Until what is emitted reaches its streams."""

        def is_heard() -> bool:
            self.emit(0)
            return bool(self.stream.of_type(PROGRESS))

        wait_until(is_heard, what="a transient event on the stream")

    def heard(self) -> set[int]:
        """What was emitted and came."""
        return {event.json["data"]["percent"] for event in self.stream.of_type(PROGRESS)}

    def refused(self) -> list[str]:
        """What its metrics say of messages that it did not take."""
        lines = self.client.get("/metrics").text.splitlines()
        return [line for line in lines if line.startswith("hub_messages_refused_total")]


@pytest.fixture
def ada(transactional_db: None) -> User:
    return make_user("ada", is_staff=True, is_superuser=True)


@pytest.fixture
def copy_database(transactional_db: None) -> Iterator[Callable[[], str]]:
    """Copies the test database as it is, and returns the address of the copy."""
    wrapper: Any = connection
    ours = str(connection.settings_dict["NAME"])
    theirs = f"{ours}_copy"
    server = psycopg.connect(current_database_url().replace(f"/{ours}", "/postgres"), autocommit=True)

    def copy() -> str:
        wrapper.close()
        wrapper.close_pool()

        def is_copied() -> bool:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [ours]
            )
            try:
                server.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        sql.Identifier(theirs), sql.Identifier(ours)
                    )
                )
            except psycopg.errors.ObjectInUse:
                return False
            return True

        wait_until(is_copied, what="the database to be copied")
        return current_database_url().replace(f"/{ours}", f"/{theirs}")

    with server:
        yield copy
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(theirs)))


@pytest.fixture
def hubs(
    ada: User, copy_database: Callable[[], str], start_hub: Callable[..., HubProcess]
) -> tuple[Hub, Hub]:
    """Production, of which this process is one, and staging, on another number of the same Redis server."""
    send(ada, "before the copy")
    cookies = session_headers(ada)
    copied = copy_database()
    other_number = urlsplit(os.environ["REDIS_URL"])._replace(path="/15").geturl()
    staging = start_hub(env={**NO_LOOKS, "REDIS_URL": other_number, "DATABASE_URL": copied})
    return Hub(start_hub(env=NO_LOOKS), cookies), Hub(staging, cookies)


def test_hub_on_a_copy_of_the_database__same_key_same_redis__neither_hears_the_other(
    ada: User, hubs: tuple[Hub, Hub]
) -> None:
    production, staging = hubs
    for hub in hubs:
        hub.wait_heard()
    with (
        redis.Redis.from_url(os.environ["REDIS_URL"]) as client,
        client.pubsub() as listening,
    ):
        listening.psubscribe("*")
        # What comes to one stream comes by one connection, in the order in which Redis got it.
        services.emit(ada, UntypedEvent(type_name=PROGRESS, fields={"percent": 1}))
        production.expect(1)
        staging.emit(2)
        staging.expect(2)
        key = Notification.objects.get().pk
        publisher.publish_shows([(ada.pk, key)])
        production.stream.expect("notification.shown")
        send(ada, "in production alone")
        production.stream.expect("notification.created")
        production.tail.expect("tail.change")
        production.client.post("/logout/")
        production.stream.expect("stream.close", where=lambda event: event.json["reason"] == "revoked")
        staging.emit(3)
        staging.expect(3)
        came = list(iter(lambda: listening.get_message(timeout=0), None))
        messages = [message["data"] for message in came if message["type"] == "pmessage"]
    assert production.heard() == {0, 1}
    assert staging.heard() == {0, 2, 3}
    assert not staging.stream.of_type("notification.shown", "notification.created")
    assert not staging.tail.of_type("tail.change")
    assert production.refused() == staging.refused() == []
    assert len(messages) >= 5
    assert not any(PROGRESS.encode() in message for message in messages)

    (finding,) = find_other_installations(selectors.installation())
    assert finding.level == "warning"
    assert f"1 process of this installation ({selectors.installation().name}) listen" in finding.text
    assert "do not hear each other" in finding.text
