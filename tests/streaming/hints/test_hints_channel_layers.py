"""What the hub needs of a channel layer, asked of all three: in-memory, Redis pub/sub, and core Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from notifications.streaming import frames, timing
from notifications.streaming.addressing import MAX_ADDRESSED_SINGLY, MAX_KEYS_PER_MESSAGE
from notifications.streaming.hints.publish_queue import Batch
from notifications.streaming.hints.publisher import send_batch
from notifications.streaming.hints.receiver import HintReceiver
from notifications.streaming.hints.seal import Seal
from notifications.streaming.transient import ReceivedEvent, TransientEvent, event_items
from notifications.system.installation import Installation
from tests.helpers.machine.servers import RedisServer
from tests.helpers.waiting import wait_until_async

# Each test asks all three, whatever the shape, and none of them the database.
pytestmark = pytest.mark.shape("embedded")

KINDS = ("memory", "pubsub", "core")


SEAL = Seal(Installation.derive("secret", [], identity="a database"))


async def find_seal() -> Seal:
    return SEAL


class Process:
    """What a serving process is to the layer: its users, and the hints and looks that reached it."""

    def __init__(self, layer: Any, *, find_seal: Callable[[], Awaitable[Seal]] = find_seal) -> None:
        self.users: set[str] = set()
        self.heard: list[tuple[str, int]] = []
        self.looks: list[str] = []
        self.events: list[ReceivedEvent] = []
        self.joined: list[str] = []
        self.receiver = HintReceiver(
            layer,
            is_connected=self.users.__contains__,
            on_hint=lambda key, head: self.heard.append((key, head)),
            on_look=self.looks.append,
            on_event=self.events.append,
            on_show=lambda key, notification_id: None,
            on_joined=self.joined.append,
            find_seal=find_seal,
        )
        self.receiver.start()

    async def connect(self, key: str) -> None:
        self.users.add(key)
        before = len(self.joined)
        self.receiver.update_group(key)
        await wait_until_async(lambda: len(self.joined) > before, what=f"{key} to join")

    def leave(self, key: str) -> None:
        self.users.discard(key)
        self.receiver.update_group(key)


async def send_hints(layer: Any, heads: dict[str, int]) -> None:
    await send_batch(layer, SEAL, Batch(heads=heads))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def make_layer(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Any]]:
    """One layer object for each process that is played; the in-memory layer is one for all."""
    if kind == "memory":
        shared = InMemoryChannelLayer()
        yield lambda: shared
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    made: list[Any] = []

    def make() -> Any:
        layer_class = RedisPubSubChannelLayer if kind == "pubsub" else RedisChannelLayer
        made.append(layer_class(hosts=[{"address": server.url, "socket_timeout": 15}], prefix="contract"))
        return made[-1]

    yield make
    for layer in made:
        if kind == "pubsub":
            await layer.flush()
        else:
            await layer.close_pools()


@pytest.fixture
async def start(make_layer: Callable[[], Any]) -> AsyncIterator[Callable[[], Process]]:
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(make_layer()))
        return started[-1]

    yield begin
    for process in started:
        await process.receiver.stop()


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "backoff_seconds", lambda failures: 0.05)


async def test_hint__reaches_each_process_of_its_user_and_no_other(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    first, second, third = start(), start(), start()
    await first.connect("1")
    await second.connect("1")
    await third.connect("2")
    sender = make_layer()
    await send_hints(sender, {"1": 42})
    await send_hints(sender, {"2": 7})
    await wait_until_async(lambda: first.heard and second.heard and third.heard)
    assert (first.heard, second.heard, third.heard) == ([("1", 42)], [("1", 42)], [("2", 7)])


async def test_hints_for_very_many__go_to_every_process_at_once(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process = start()
    await process.connect("1")
    heads = {str(number): number for number in range(MAX_ADDRESSED_SINGLY * 40)}
    await send_hints(make_layer(), heads)
    await wait_until_async(lambda: len(process.heard) == len(heads))
    assert dict(process.heard) == heads


async def test_looks__reach_the_processes_of_their_users__for_very_many_every_process(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    first, second = start(), start()
    await first.connect("1")
    await second.connect("2")
    sender = make_layer()
    await send_batch(sender, SEAL, Batch(looks={"1": None}))
    await send_batch(sender, SEAL, Batch(looks={"2": None}))
    await wait_until_async(lambda: first.looks and second.looks)
    assert (first.looks, second.looks) == (["1"], ["2"])
    many = {str(number): None for number in range(MAX_ADDRESSED_SINGLY * 40)}
    await send_batch(sender, SEAL, Batch(looks=many))
    await wait_until_async(lambda: len(first.looks) > len(many) and len(second.looks) > len(many))
    assert (first.looks[1:], second.looks[1:]) == (list(many), list(many))
    assert first.heard == second.heard == []


async def test_leaving__ends_the_hints__coming_back_begins_them_again(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process, sender = start(), make_layer()
    await process.connect("1")
    await process.connect("2")
    process.leave("1")
    await process.connect("3")  # settled one after the other: 1 has left when 3 has joined
    await send_hints(sender, {"1": 5})
    await send_hints(sender, {"2": 6})
    await wait_until_async(lambda: ("2", 6) in process.heard)
    await process.connect("1")
    await send_hints(sender, {"1": 7})
    await wait_until_async(lambda: ("1", 7) in process.heard)
    assert process.heard == [("2", 6), ("1", 7)]


async def test_key_that_no_layer_takes_as_a_name__works(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process = start()
    key = "ünï cödé/" * 30
    await process.connect(key)
    await send_hints(make_layer(), {key: 1})
    await wait_until_async(lambda: process.heard)
    assert process.heard == [(key, 1)]


async def test_hints_of_a_user__when_many_come__are_heard_in_their_order(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process, sender = start(), make_layer()
    await process.connect("1")
    for head in range(50):
        await send_hints(sender, {"1": head})
    await wait_until_async(lambda: len(process.heard) >= 50)
    assert process.heard == [("1", head) for head in range(50)]


async def test_quick_turns__whoever_is_there_at_the_end_is_heard__and_nobody_else(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process, sender = start(), make_layer()
    await process.connect("1")
    turns = Random(7)
    for _ in range(300):
        key = turns.choice("2345")
        (process.users.discard if key in process.users else process.users.add)(key)
        process.receiver.update_group(key)
        if turns.random() < 0.3:
            await asyncio.sleep(0)
    process.users.symmetric_difference_update("5")
    for key in "2345":
        process.receiver.update_group(key)
    await wait_until_async(lambda: process.receiver._joined == process.users)
    for key in "2345":
        await send_hints(sender, {key: 9})
    await send_hints(sender, {"1": 9})
    await wait_until_async(lambda: ("1", 9) in process.heard)
    assert process.users
    assert {key for key, _ in process.heard} == process.users


async def test_transient_events__travel_whole_and_in_order_to_the_processes_of_their_users(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    first, second = start(), start()
    await first.connect("1")
    await second.connect("2")
    frame = frames.transient(event_id="", event_type="imports.file.progress", topic="é", at="now", data="{}")
    event = TransientEvent.emitted(frame, "imports.file.progress", "é")
    many: dict[str, int | None] = {str(number): number for number in range(MAX_ADDRESSED_SINGLY + 1)}
    sends: list[dict[str, int | None]] = [{"1": 5}, many, {"1": None}, {"2": 7}]
    items = [item for heads in sends for item in event_items(event, heads)]
    await send_batch(make_layer(), SEAL, Batch(events=items))
    await wait_until_async(lambda: len(first.events) == 3 and len(second.events) == 2)
    assert [(each.event, each.heads.get("1")) for each in first.events] == [
        (event, 5),
        (event, 1),
        (event, None),
    ]
    assert [(each.event, each.heads["2"]) for each in second.events] == [(event, 2), (event, 7)]


async def test_hundreds_of_messages_in_one_batch__all_arrive(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process = start()
    await process.connect("1")
    heads = {str(number): number for number in range(MAX_KEYS_PER_MESSAGE * 150)}
    await send_hints(make_layer(), heads)  # 150 messages; the in-memory layer keeps 100 unread
    await wait_until_async(lambda: len(process.heard) >= len(heads))
    assert dict(process.heard) == heads


@pytest.mark.parametrize("kind", ["memory", "core"], indirect=True)
async def test_groups_forgotten_by_the_layer__the_next_repair_brings_hints_back(
    kind: str, start: Callable[[], Process], make_layer: Callable[[], Any], request: pytest.FixtureRequest
) -> None:
    process, sender = start(), make_layer()
    await process.connect("1")
    if kind == "memory":
        sender.groups.clear()  # as after a minute in which nobody read
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        with server.client() as client:
            await asyncio.to_thread(client.flushall)
    await send_hints(sender, {"1": 8})
    process.receiver.update_group("1")

    async def a_hint_comes_through() -> bool:
        await send_hints(sender, {"1": 9})
        return bool(process.heard)

    await wait_until_async(a_hint_comes_through)
    assert set(process.heard) == {("1", 9)}


@pytest.mark.parametrize("kind", ["pubsub", "core"], indirect=True)
async def test_redis_restarted__empty__the_next_repair_brings_hints_back(
    start: Callable[[], Process], make_layer: Callable[[], Any], redis_server: RedisServer
) -> None:
    process, sender = start(), make_layer()
    await process.connect("1")
    await asyncio.to_thread(redis_server.restart)

    async def a_hint_comes_through() -> bool:
        process.receiver.update_group("1")
        try:
            await send_hints(sender, {"1": 9})
        except Exception:  # noqa: BLE001 (its connections are the old server's, at first)
            return False
        return ("1", 9) in process.heard

    await wait_until_async(a_hint_comes_through)
    assert set(process.heard) == {("1", 9)}


@pytest.mark.parametrize("kind", ["pubsub", "core"], indirect=True)
async def test_redis_down_at_the_start__is_joined_when_it_comes(
    start: Callable[[], Process],
    make_layer: Callable[[], Any],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await asyncio.to_thread(redis_server.kill)
    process = start()
    process.users.add("1")
    process.receiver.update_group("1")
    await wait_until_async(lambda: "Hints cannot be received" in caplog.text)
    await asyncio.to_thread(redis_server.start)
    await wait_until_async(lambda: process.joined == ["1"])
    await send_hints(make_layer(), {"1": 3})
    await wait_until_async(lambda: process.heard == [("1", 3)])
    assert caplog.text.count("Hints cannot be received") == 1


async def test_two_installations_on_one_layer__neither_hears_the_other(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    ours = start()
    theirs_seal = Seal(Installation.derive("secret", [], identity="a copy of the database"))

    async def find_theirs() -> Seal:
        return theirs_seal

    theirs = Process(make_layer(), find_seal=find_theirs)
    try:
        for process in (ours, theirs):
            await process.connect("1")
        sender, many = make_layer(), dict.fromkeys(map(str, range(MAX_ADDRESSED_SINGLY + 1)), 9)
        for heads in ({"1": 8}, many):
            await send_batch(sender, theirs_seal, Batch(heads=heads))
        await wait_until_async(lambda: len(theirs.heard) == len(many) + 1)
        await send_hints(sender, {"1": 10})
        await wait_until_async(lambda: ours.heard)
    finally:
        await theirs.receiver.stop()
    assert ours.heard == [("1", 10)]
    assert len(theirs.heard) == len(many) + 1


async def test_former_key__its_processes_are_heard(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    rolled = Seal(Installation.derive("new", ["secret"], identity="a database"))

    async def find_rolled() -> Seal:
        return rolled

    process = Process(make_layer(), find_seal=find_rolled)
    try:
        await process.connect("1")
        sender = make_layer()
        await send_hints(sender, {"1": 8})
        await send_batch(sender, rolled, Batch(heads={"1": 9}))
        await wait_until_async(lambda: len(process.heard) == 2)
        process.leave("1")
        await wait_until_async(lambda: not process.receiver._joined)
        await send_hints(sender, {"1": 10})
        await send_hints(sender, dict.fromkeys(map(str, range(MAX_ADDRESSED_SINGLY + 1)), 11))
        await wait_until_async(lambda: ("1", 11) in process.heard)
    finally:
        await process.receiver.stop()
    assert [hint for hint in process.heard if hint[0] == "1"] == [("1", 8), ("1", 9), ("1", 11)]


@pytest.mark.parametrize("kind", ["memory"], indirect=True)
async def test_database_away_at_the_start__no_group_is_guessed__and_it_is_joined_when_it_comes(
    make_layer: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([OSError("connection refused")] * 3)

    async def find_late() -> Seal:
        for failure in failures:
            raise failure
        return SEAL

    process = Process(make_layer(), find_seal=find_late)
    try:
        await process.connect("1")
        await send_hints(make_layer(), {"1": 3})
        await wait_until_async(lambda: process.heard == [("1", 3)])
    finally:
        await process.receiver.stop()
    assert caplog.text.count("Hints cannot be received") == 1
    assert caplog.text.count("connection refused") == 1


async def test_message_without_our_seal__is_passed_over(
    start: Callable[[], Process], make_layer: Callable[[], Any]
) -> None:
    process, layer = start(), make_layer()
    await process.connect("1")
    for message in ({"type": "notifications.hint", "heads": [["1", 7]]}, {"type": "x", "sealed": b"y"}):
        await layer.group_send(SEAL.group("1"), message)
    await send_hints(layer, {"1": 8})
    await wait_until_async(lambda: process.heard)
    assert process.heard == [("1", 8)]
