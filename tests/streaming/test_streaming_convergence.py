"""The master claim (I12) over the stream: what clients fold is the inbox, whatever happened to hints, readers
and reads.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import override_settings

from notifications import selectors, services
from notifications.streaming import timing
from notifications.streaming.connection.changes import read_log_page
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints import publisher
from tests.helpers.asgi import AsgiStream, Streams
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import Client, listed

HARDSHIP = {
    "reconcile_seconds": 0.1,
    "database_watch_seconds": 60.0,
    "max_queue_frames": 2,
    "max_backlog_page": 3,
    "max_streams_per_user": 100,  # whoever drops a stream while it opens has a second slot for a moment
}
WRITES = 150
CLIENTS = 4


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, seed: int) -> random.Random:
    """Half of the hints are lost, and a quarter of the reads fail."""
    chance = random.Random(seed)
    publish, changes_since = publisher.publish, selectors.changes_since

    def fail_at_times() -> None:
        if chance.random() < 0.25:
            raise DatabaseError("for a moment")

    def publish_at_times(heads: Any) -> None:
        if chance.random() < 0.5:
            publish(heads)

    def read_page_at_times(*args: Any, **kwargs: Any) -> Any:
        fail_at_times()
        return read_log_page(*args, **kwargs)

    def changes_since_at_times(*args: Any, **kwargs: Any) -> Any:
        fail_at_times()
        return changes_since(*args, **kwargs)

    monkeypatch.setattr(publisher, "publish", publish_at_times)
    monkeypatch.setattr("notifications.streaming.connection.backlog.read_log_page", read_page_at_times)
    monkeypatch.setattr(selectors, "changes_since", changes_since_at_times)
    monkeypatch.setattr(timing, "backoff_seconds", lambda failures: 0.02)
    return chance


def write(user: User, chance: random.Random, sent: list[UUID]) -> None:
    """One thing that happens to an inbox."""
    some = chance.sample(sent, min(2, len(sent)))
    match chance.randrange(7):
        case 0 | 1 | 2:
            sent.append(send(user, f"No {len(sent)}", collapse_key=chance.choice(["", "one"])))
        case 3:
            chance.choice([services.mark_read, services.archive])(user, some)
        case 4:
            chance.choice([services.mark_unread, services.unarchive])(user, some)
        case 5:
            services.delete(user, some[:1])
        case _:
            services.mark_all_read(user)


def fold(client: Client, stream: AsgiStream) -> str | None:
    """Fold everything that came; the cursor to go on from."""
    for event in stream.events:
        if "position" in event.json:
            client.fold(event.json)
    return stream.ids[-1] if stream.ids else None


async def follow(streams: Streams, user: User, chance: random.Random, done: asyncio.Event) -> Client:
    """A client that reads slowly, drops its connection at any time, comes back, and reads to the end when all
    is done.
    """
    client, cursor = Client(), "earliest"
    while not done.is_set():
        stream = await streams.open(user, f"after={cursor}")
        for _ in range(chance.randrange(4)):
            stream.may_take.clear()
            await asyncio.sleep(chance.random() * 0.03)
            stream.may_take.set()
            await asyncio.sleep(chance.random() * 0.03)
        await stream.disconnect()
        cursor = fold(client, stream) or cursor
    last = await streams.answer(user, f"after={cursor}&closeafter=live")
    fold(client, last)
    return client


@pytest.mark.parametrize("seed", range(3))
@override_settings(NOTIFICATION_HUB=HARDSHIP)
async def test_clients__after_any_faults__hold_what_the_list_shows(
    transactional_db: None, streams: Streams, faults: random.Random, seed: int
) -> None:
    ada = await in_database_thread(make_user, "ada")
    steady = await streams.open(ada, "after=earliest")
    done = asyncio.Event()
    following = [asyncio.create_task(follow(streams, ada, random.Random(seed), done)) for _ in range(CLIENTS)]
    sent: list[UUID] = []
    for _ in range(WRITES):
        await in_database_thread(write, ada, faults, sent)
    done.set()
    clients = await asyncio.gather(*following)
    fresh = await in_database_thread(listed, ada.pk)
    await steady.expect(
        "stream.heartbeat",
        "inbox.read",
        *(
            f"notification.{name}"
            for name in ("created", "read", "unread", "archived", "unarchived", "deleted")
        ),
        where=lambda event: event.json.get("position") == fresh.position,
    )
    clients.append(Client())
    fold(clients[-1], steady)
    for client in clients:
        assert client.items == fresh.items
        assert (client.position, client.unread_count) == (fresh.position, fresh.unread_count)
