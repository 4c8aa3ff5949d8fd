"""What wakes a stream, and what has it write, in how many parts."""

from __future__ import annotations

import asyncio

import pytest

from notifications.streaming.connection import write_batching
from notifications.streaming.tasks import Wakeup
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
