"""What wakes a stream, and what has it write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from notifications.streaming.connection import write_batching
from notifications.streaming.connection.timers import TimerWheel
from notifications.streaming.connection.transport import UNKNOWN_PEER, Peer, SocketTransport, UvicornTransport
from notifications.streaming.connection.wakeup import Wakeup
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")


class Writer:
    """Counts how often it was flushed."""

    def __init__(self) -> None:
        self.last_iteration = 0
        self.flushed = 0

    def flush(self) -> None:
        """Count."""
        self.flushed += 1


async def test_wakeup__set_before_the_wait__is_not_missed() -> None:
    wakeup = Wakeup()
    wakeup.set()
    await asyncio.wait_for(wakeup.wait(), PATIENCE_SECONDS)
    assert wakeup
    wakeup.clear()
    assert not wakeup


async def test_wakeup__set_while_a_task_waits__wakes_it_and_is_awaited_no_more() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    states = [wakeup.is_awaited]
    wakeup.set()
    wakeup.set()
    assert [*states, wakeup.is_awaited] == [True, False]
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)


async def test_wakeup__its_task_is_cancelled__can_be_set_and_awaited_again() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not wakeup.is_awaited
    wakeup.set()
    await asyncio.wait_for(wakeup.wait(), PATIENCE_SECONDS)


class Timed:
    """Counts how often it was due."""

    def __init__(self) -> None:
        self.due_tick = 0
        self.called = asyncio.Event()
        self.fails = False

    def on_due(self) -> None:
        """Count."""
        self.called.set()
        if self.fails:
            raise OSError


async def test_timers__called_twice__calls_once_at_the_earlier_time() -> None:
    now, timers = asyncio.get_running_loop().time(), TimerWheel()
    early, late, forgotten = Timed(), Timed(), Timed()
    for when in (now + 3_600, now, now + 3_600):
        timers.call_at(when, early)
    timers.call_at(now + 3_600, late)
    timers.call_at(now, forgotten)
    timers.cancel(forgotten)
    timers.cancel(forgotten)
    await asyncio.wait_for(early.called.wait(), PATIENCE_SECONDS)
    assert asyncio.get_running_loop().time() >= now
    assert not late.called.is_set()
    assert not forgotten.called.is_set()
    assert [early.due_tick, forgotten.due_tick, late.due_tick > 0] == [0, 0, True]


async def test_timers__one_fails__the_others_are_called() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)
    timers, timed = TimerWheel(), [Timed() for _ in range(3)]
    timed[0].fails = True
    for one in timed:
        timers.call_at(loop.time(), one)
    for one in timed:
        await asyncio.wait_for(one.called.wait(), PATIENCE_SECONDS)


async def test_write_batcher__one_write_at_once_for_each_iteration__further_ones_wait_for_its_end() -> None:
    first, second = Writer(), Writer()
    batcher = write_batching.WriteBatcher()
    assert [batcher.may_write_now(first), batcher.may_write_now(first), batcher.may_write_now(second)] == [
        True,
        False,
        True,
    ]
    batcher.flush_soon(first)
    await asyncio.sleep(0)
    assert [first.flushed, second.flushed] == [1, 0]
    assert batcher.may_write_now(first)


async def test_write_batcher__very_many_connections__no_iteration_writes_to_more_than_its_share() -> None:
    batcher = write_batching.WriteBatcher()
    admitted = [batcher.may_write_now(Writer()) for _ in range(write_batching.MAX_WRITES_PER_ITERATION + 1)]
    assert admitted == [True] * write_batching.MAX_WRITES_PER_ITERATION + [False]


async def test_write_batcher__more_connections_than_one_iteration_takes__each_is_flushed() -> None:
    writers = [Writer() for _ in range(write_batching.MAX_WRITES_PER_ITERATION + 1)]
    batcher = write_batching.WriteBatcher()
    for writer in writers:
        batcher.flush_soon(writer)
    assert sum(writer.flushed for writer in writers) == 0
    await asyncio.sleep(0)
    assert sum(writer.flushed for writer in writers) == write_batching.MAX_WRITES_PER_ITERATION
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
    under = UvicornTransport(SimpleNamespace(transport=transport, **(ready | changed)))
    assert under.write_now(b"event: x\ndata: {}\n\n") is is_written
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
            under = SocketTransport(transport.get_extra_info("socket"))
            before = under.peer()
            transport.abort()
            await asyncio.wait_for(protocol.closed.wait(), PATIENCE_SECONDS)
            return before, under.peer(), SocketTransport(transport.get_extra_info("socket")).peer()

    with asyncio.Runner(loop_factory=loop) as runner:
        before, *after = runner.run(look())
    assert before is not UNKNOWN_PEER
    assert after == [UNKNOWN_PEER, UNKNOWN_PEER]
