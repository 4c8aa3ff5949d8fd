"""What wakes a stream, and what has it write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from notifications.streaming.connection import write_batching as flush
from notifications.streaming.connection.timers import Pulse
from notifications.streaming.connection.transport import UNKNOWN, Peer, SocketWire, UvicornWire
from notifications.streaming.connection.wakeup import Alarm
from tests.helpers.waiting import PATIENCE_SECONDS


class Writer:
    """Counts how often it was flushed."""

    def __init__(self) -> None:
        self.turn = 0
        self.flushed = 0

    def flush(self) -> None:
        """Count."""
        self.flushed += 1


async def test_alarm__set_before_the_wait__is_not_missed() -> None:
    alarm = Alarm()
    alarm.set()
    await asyncio.wait_for(alarm.wait(), PATIENCE_SECONDS)
    assert alarm
    alarm.clear()
    assert not alarm


async def test_alarm__set_while_a_task_waits__wakes_it_and_is_awaited_no_more() -> None:
    alarm = Alarm()
    waiting = asyncio.create_task(alarm.wait())
    await asyncio.sleep(0)
    states = [alarm.is_awaited]
    alarm.set()
    alarm.set()
    assert [*states, alarm.is_awaited] == [True, False]
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_alarm__its_task_is_cancelled__can_be_set_and_awaited_again() -> None:
    alarm = Alarm()
    waiting = asyncio.create_task(alarm.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not alarm.is_awaited
    alarm.set()
    await asyncio.wait_for(alarm.wait(), PATIENCE_SECONDS)


class Sleeper:
    """Counts how often it was due."""

    def __init__(self) -> None:
        self.beat = 0
        self.called = asyncio.Event()
        self.fails = False

    def due(self) -> None:
        """Count."""
        self.called.set()
        if self.fails:
            raise OSError


async def test_pulse__asked_again__calls_once_at_the_earlier_time() -> None:
    now, pulse = asyncio.get_running_loop().time(), Pulse()
    early, late, forgotten = Sleeper(), Sleeper(), Sleeper()
    for when in (now + 3_600, now, now + 3_600):
        pulse.wake_at(when, early)
    pulse.wake_at(now + 3_600, late)
    pulse.wake_at(now, forgotten)
    pulse.forget(forgotten)
    pulse.forget(forgotten)
    await asyncio.wait_for(early.called.wait(), PATIENCE_SECONDS)
    assert asyncio.get_running_loop().time() >= now
    assert not late.called.is_set()
    assert not forgotten.called.is_set()
    assert [early.beat, forgotten.beat, late.beat > 0] == [0, 0, True]


async def test_pulse__one_sleeper_fails__the_others_are_called() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    pulse, sleepers = Pulse(), [Sleeper() for _ in range(3)]
    sleepers[0].fails = True
    for sleeper in sleepers:
        pulse.wake_at(loop.time(), sleeper)
    for sleeper in sleepers:
        await asyncio.wait_for(sleeper.called.wait(), PATIENCE_SECONDS)


async def test_flush__one_write_at_once_for_each_turn__further_ones_wait_for_its_end() -> None:
    first, second = Writer(), Writer()
    flushing = flush.Flush()
    assert [flushing.admits(first), flushing.admits(first), flushing.admits(second)] == [True, False, True]
    flushing.soon(first)
    await asyncio.sleep(0)
    assert [first.flushed, second.flushed] == [1, 0]
    assert flushing.admits(first)


async def test_flush__very_many_connections__no_turn_writes_to_more_than_its_share() -> None:
    flushing = flush.Flush()
    admitted = [flushing.admits(Writer()) for _ in range(flush.MAX_AT_ONCE + 1)]
    assert admitted == [True] * flush.MAX_AT_ONCE + [False]


async def test_flush__more_connections_than_one_turn_takes__each_has_its_turn() -> None:
    writers = [Writer() for _ in range(flush.MAX_AT_ONCE + 1)]
    flushing = flush.Flush()
    for writer in writers:
        flushing.soon(writer)
    assert sum(writer.flushed for writer in writers) == 0
    await asyncio.sleep(0)
    assert sum(writer.flushed for writer in writers) == flush.MAX_AT_ONCE
    await asyncio.sleep(0)
    assert [writer.flushed for writer in writers] == [1] * len(writers)


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def get_extra_info(self, name: str) -> None:
        """It has no socket."""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data


@pytest.mark.parametrize(
    ("changed", "is_written"),
    [
        ({}, True),
        ({"disconnected": True}, False),
        ({"chunked_encoding": None}, False),
        ({"flow": SimpleNamespace(write_paused=True)}, False),
    ],
    ids=["ready", "disconnected", "not chunked", "behind"],
)
def test_write_now__only_where_send_would_not_wait__writes_one_chunk(
    changed: dict[str, Any], is_written: bool
) -> None:
    transport = Transport()
    ready = {"disconnected": False, "chunked_encoding": True, "flow": SimpleNamespace(write_paused=False)}
    wire = UvicornWire(SimpleNamespace(transport=transport, **(ready | changed)))
    assert wire.write_now(b"event: x\ndata: {}\n\n") is is_written
    assert transport.written == (b"13\r\nevent: x\ndata: {}\n\n\r\n" if is_written else b"")


class Closing(asyncio.Protocol):
    """Says when its connection is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self.closed.set()


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.Loop], ids=["asyncio", "uvloop"])
def test_peer__whose_connection_is_closed__is_unknown(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def look() -> tuple[Peer, Peer, Peer]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                Closing, *server.getsockname()
            )
            wire = SocketWire(transport.get_extra_info("socket"))
            before = wire.peer()
            transport.abort()
            await asyncio.wait_for(protocol.closed.wait(), PATIENCE_SECONDS)
            return before, wire.peer(), SocketWire(transport.get_extra_info("socket")).peer()

    with asyncio.Runner(loop_factory=loop) as runner:
        before, *after = runner.run(look())
    assert before is not UNKNOWN
    assert after == [UNKNOWN, UNKNOWN]
