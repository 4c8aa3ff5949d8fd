"""Compacted backlogs: what the database leaves out is what the protocol says, and clients hold the list,
wherever they were cut.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from notifications import payloads, selectors, services
from notifications.filters import Filters
from notifications.inbox_log import compaction
from notifications.models import Event
from notifications.streaming.connection import log_position
from notifications.streaming.database_threads import in_database_thread
from tests.helpers.asgi import AsgiStream, Streams
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import Client, compacted, listed

pytestmark = pytest.mark.django_db(transaction=True)

SYNC = Filters(categories=frozenset({"sync"}))
ROUNDS = 40
COMPACT_ALL = {"max_exact_backlog": 0, "max_backlog_page": 7}


def live_a_life(user: User, chance: random.Random, rounds: int = ROUNDS) -> None:
    """Everything that can happen to an inbox, at random."""
    sent: list[UUID] = []
    for number in range(rounds):
        some = chance.sample(sent, min(3, len(sent)))
        match chance.randrange(8):
            case 0 | 1 | 2:
                kind = chance.choice(["orders.order.shipped", "sync.job.failed"])
                collapse_key = chance.choice(["", "", "one"])
                sent.append(
                    send(user, f"No {number}", event=order_event(type_name=kind), collapse_key=collapse_key)
                )
            case 3 | 4:
                chance.choice([services.mark_read, services.archive])(user, some)
            case 5:
                chance.choice([services.mark_unread, services.unarchive])(user, some)
            case 6:
                services.delete(user, some[:1])
            case _:
                services.mark_all_read(user, category=chance.choice(["", "sync"]))


def live_long_and_prune(user: User, chance: random.Random) -> None:
    """A life of long ago, whose changes are the base state now, and one of today."""
    with time_machine.travel(timezone.now() - timedelta(days=40)):
        live_a_life(user, chance)
    live_a_life(user, chance, 20)
    # What is older stays listed here, as if the retention had been longer until today.
    while compaction._compact(user.pk, timezone.now() - timedelta(days=30)):
        pass


def read(user: User, **options: Any) -> list[dict[str, Any]]:
    """Changes as a client reads them, straight from the selector."""
    epoch = services.open_inbox(user.pk).epoch
    rows = selectors.changes_after(user.pk, **options)
    return [json.loads(payloads.change_json(row, epoch)) for row in rows]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("filters", [Filters(), SYNC], ids=["whole", "filtered"])
def test_changes_after__compacted__are_those_that_no_later_one_supersedes(
    ada: User, seed: int, filters: Filters
) -> None:
    chance = random.Random(seed)
    live_a_life(ada, chance)
    head = services.open_inbox(ada.pk).head
    for _ in range(12):
        after = chance.randrange(head)
        planned = chance.randrange(after + 1, head + 1)
        expected = compacted(read(ada, after=after, up_to=planned, limit=head, filters=filters))
        options = {"filters": filters, "compacted_to": planned}
        assert read(ada, after=after, up_to=planned, limit=head, **options) == expected
        limit = chance.randrange(1, 9)
        assert read(ada, after=after, up_to=planned, limit=limit, **options) == expected[:limit]


def test_changes_after__compacted__reads_events_that_were_blanked_too(ada: User) -> None:
    first, second = send(ada), send(ada, "Secret")
    services.mark_read(ada, [first, second])
    Event.objects.filter(notifications__public_id=second).update(title="", body="", data="{}")
    changes = read(ada, after=0, up_to=4, limit=9, compacted_to=4)
    assert [(change["position"], change["notification"]["title"]) for change in changes] == [
        (3, "Your order is on its way"),
        (4, ""),
    ]


def take(client: Client, events: list[Any]) -> None:
    for event in events:
        if "position" in event.json:
            client.fold(event.json)


async def resumed(streams: Streams, user: User, cursor: str, query: str = "") -> AsgiStream:
    return await streams.answer(user, f"after={cursor}&closeafter=live{query}")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("is_pruned", [False, True], ids=["whole", "pruned"])
@override_settings(NOTIFICATION_HUB=COMPACT_ALL)
async def test_stream__compacted_cut_and_resumed_at_any_frame__folds_to_the_list(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch, seed: int, is_pruned: bool
) -> None:
    monkeypatch.setattr(log_position, "MAX_RANGE_LENGTH", 10)
    monkeypatch.setattr(compaction, "MIN_KEPT", 5)
    chance = random.Random(seed)
    await in_database_thread(live_long_and_prune if is_pruned else live_a_life, ada, chance)
    floor = (await in_database_thread(services.open_inbox, ada.pk)).floor
    assert (floor > 0) is is_pruned
    client, cursor = Client(), "earliest"
    for _ in range(3):
        stream = await resumed(streams, ada, cursor)
        opened, *changes, live = stream.events
        assert opened.json["resume"] == "compacted"
        assert live.json["replayed"] == len(changes)
        head = int(opened.json["head"].rpartition("-")[2])
        client.floor = head
        usable = [event for event in changes if event.json["position"] >= floor]
        cut = chance.choice(usable)
        take(client, changes[: changes.index(cut) + 1])
        cursor = str(cut.id)
        await in_database_thread(live_a_life, ada, chance, 10)
    with override_settings(NOTIFICATION_HUB={}):
        last = await resumed(streams, ada, cursor)
    assert last.events[0].json["resume"] == "exact"
    client.floor = 0
    take(client, last.events)
    fresh = await in_database_thread(listed, ada.pk)
    assert (client.items, client.position, client.unread_count) == (
        fresh.items,
        fresh.position,
        fresh.unread_count,
    )


@override_settings(NOTIFICATION_HUB={"max_exact_backlog": 10, "max_backlog": 30, "max_backlog_page": 4})
async def test_stream__the_length_of_its_backlog__decides_how_it_resumes(ada: User, streams: Streams) -> None:
    def fill() -> str:
        sent = [send(ada) for _ in range(20)]
        services.mark_read(ada, sent[:19])
        services.mark_all_read(ada)
        services.mark_unread(ada, [sent[0]])
        return services.open_inbox(ada.pk).epoch

    epoch = await in_database_thread(fill)
    exact = await resumed(streams, ada, f"{epoch}-31")
    kept = await resumed(streams, ada, f"{epoch}-30")
    far = await resumed(streams, ada, f"{epoch}-10")
    assert [s.events[0].json["resume"] for s in (exact, kept, far)] == ["exact", "compacted", "reset"]
    assert [e.json["position"] for e in exact.events[1:-1]] == list(range(32, 42))
    assert [e.json["position"] for e in kept.events[1:-1]] == list(range(31, 42))
    reset = far.events[1]
    assert (reset.type, reset.json) == ("stream.reset", {"reason": "too_far", "cursor": f"{epoch}-41"})
    whole = await resumed(streams, ada, "earliest")
    assert [e.json["position"] for e in whole.events[1:-1]] == [20, *range(22, 42)]
    assert [e.type for e in whole.events[-3:]] == ["inbox.read", "notification.unread", "stream.live"]
    filtered = await resumed(streams, ada, "earliest", "&category=other")
    assert [e.type for e in filtered.events] == ["stream.open", "inbox.read", "stream.live"]
    assert filtered.events[-1].json["cursor"] == f"{epoch}-41"


@override_settings(NOTIFICATION_HUB={"max_exact_backlog": 5, "max_backlog_page": 3})
async def test_stream__changes_commit_during_a_compacted_backlog__come_exactly_after_it(
    ada: User, streams: Streams
) -> None:
    first = await in_database_thread(send, ada)
    for _ in range(10):
        await in_database_thread(services.mark_read, ada, [first])
        await in_database_thread(services.mark_unread, ada, [first])
    stream = await streams.open(ada, "after=earliest")
    stream.may_take.clear()
    for _ in range(3):
        await in_database_thread(services.mark_read, ada, [first])
        await in_database_thread(services.mark_unread, ada, [first])
    stream.may_take.set()
    await stream.expect("notification.unread", where=lambda event: event.json["position"] == 27)
    planned = int(stream.events[0].json["head"].rpartition("-")[2])
    assert [e.json["position"] for e in stream.events if "position" in e.json] == [
        planned,
        *range(planned + 1, 28),
    ]
