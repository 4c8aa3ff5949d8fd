"""Work on demand: one task at a time, in nobody's name, that ends and begins again."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from notifications.streaming.tasks import OnDemandTask

pytestmark = pytest.mark.shape("embedded")

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="nobody's")


class Errands:
    """What is to be done, as those who use `OnDemandTask` have it."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.done: list[tuple[str, str]] = []
        self.at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.work = OnDemandTask(self._run, name="errands")

    def add(self, errand: str) -> None:
        self.left.append(errand)
        self.work.start()

    async def _run(self) -> None:
        self.at_once += 1
        assert self.at_once == 1
        try:
            while self.left:
                self.done.append((self.left.pop(0), REQUEST.get()))
                await self.may_go_on.wait()
        finally:
            self.at_once -= 1


async def ended(work: OnDemandTask) -> None:
    while work.is_running:  # noqa: ASYNC110 (it ends within a few turns of the loop)
        await asyncio.sleep(0)


async def test_on_demand__asked_for_while_it_works__is_one_task_and_begins_again_after_its_end() -> None:
    errands = Errands()
    assert not errands.work.is_running
    errands.may_go_on.clear()
    errands.add("bread")
    await asyncio.sleep(0)
    errands.add("milk")
    errands.may_go_on.set()
    await ended(errands.work)
    errands.add("tea")
    await ended(errands.work)
    assert [errand for errand, _ in errands.done] == ["bread", "milk", "tea"]


async def test_on_demand__started_by_a_request__works_in_nobodys_name() -> None:
    errands = Errands()
    REQUEST.set("Ada's")
    errands.add("bread")
    await ended(errands.work)
    assert errands.done == [("bread", "nobody's")]


async def test_on_demand__stopped__ends_and_can_be_stopped_again() -> None:
    errands = Errands()
    await errands.work.stop()
    errands.may_go_on.clear()
    errands.add("bread")
    await asyncio.sleep(0)
    await errands.work.stop()
    await errands.work.stop()
    assert (errands.work.is_running, errands.at_once) == (False, 0)
