"""A few do the work at once, the others wait in the order of arrival, and no more wait than may."""

from __future__ import annotations

import asyncio

import pytest

from notifications.streaming.concurrency_limit import ConcurrencyLimit, QueueFull
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")


class Line:
    """Tasks that each do the work, and which of them have begun."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.limit = limit
        self.served: list[str] = []
        self.may_leave = asyncio.Event()

    def come(self, name: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._take(name))

    async def _take(self, name: str) -> None:
        async with self.limit.acquire():
            self.served.append(name)
            await self.may_leave.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_limit__more_than_may_work_at_once__are_served_in_order_and_the_line_has_an_end() -> None:
    line = Line(ConcurrencyLimit(2, max_waiting=2))
    tasks = [line.come(name) for name in "abcd"]
    await settle()
    assert (line.served, line.limit.waiting_count) == (["a", "b"], 2)
    with pytest.raises(QueueFull):
        await line.come("e")
    tasks.append(line.come("f"))
    await settle()
    with pytest.raises(QueueFull):
        await tasks.pop()
    line.may_leave.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*tasks)
    assert (line.served, line.limit.waiting_count) == (["a", "b", "c", "d"], 0)


async def test_limit__without_a_line__refuse_whoever_would_wait_and_nobody_else() -> None:
    line = Line(ConcurrencyLimit(1, max_waiting=0))
    first = line.come("a")
    await settle()
    with pytest.raises(QueueFull):
        await line.come("b")
    line.may_leave.set()
    await first
    await line.come("c")
    assert line.served == ["a", "c"]


async def test_limit__cancelled_in_line_or_at_the_moment_they_come__go_to_the_next() -> None:
    line = Line(ConcurrencyLimit(1))
    async with line.limit.acquire():
        first, second, third = (line.come(name) for name in "abc")
        await settle()
        first.cancel()
        await settle()
        assert line.limit.waiting_count == 2
    second.cancel()  # its turn has come, and it has not run since
    line.may_leave.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await third
        await line.come("d")
    assert (line.served, line.limit.waiting_count) == (["c", "d"], 0)
