"""Timers call once, at the earlier time, and one that fails keeps no other from its call."""

from __future__ import annotations

import asyncio

import pytest

from notifications.streaming.connection.timers import TimerWheel
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")


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
