"""Tasks that are started when there is something to do, that end for certain, and that end once a client has
gone.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Final

ATTEMPTS: Final = 20
ATTEMPT_SECONDS: Final = 0.1


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is not asked for.

    A cancellation that arrives while a Redis client connects is swallowed by it, so it is repeated, for two
    seconds at most.
    """
    pending = {task for task in tasks if not task.done()}
    for _ in range(ATTEMPTS):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ATTEMPT_SECONDS)


class OnDemandTask:
    """Work that several ask for and one task does: started by whoever asks first, and again once it has
    ended; never two at a time.

    It is for everybody, so in nobody's name: the task has a context of its own, and what it logs is not put
    down to the request that happened to be the first.

    Args:
        work: does all there is to do, and ends when nothing is left.
        name: of the task.
    """

    __slots__ = ("_name", "_task", "_work")

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the task is there, and has not ended."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin the work, on the running loop, unless it is being done."""
        if not self.is_running:
            loop, context = asyncio.get_running_loop(), contextvars.Context()
            self._task = loop.create_task(self._work(), name=self._name, context=context)

    async def stop(self) -> None:
        """End it at once."""
        if self._task is not None:
            await cancel_all([self._task])


async def wait_for_disconnect(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def run_until_disconnect(
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    work: Coroutine[Any, Any, None],
    *,
    name: str,
    on_disconnect: Callable[[], None],
) -> None:
    """Do a piece of work until it is over or the client has gone; nothing is left behind then.

    It costs one task, not two: this one itself waits for the client.

    Args:
        name: of the work's task. It is cancelled when the client has gone, or with the caller.
        on_disconnect: called before that, when the client has gone.
    """
    watching, is_watching = asyncio.current_task(), True

    def stop_watching(_: asyncio.Task[None]) -> None:
        if is_watching and watching is not None:
            watching.cancel()

    working = asyncio.create_task(work, name=name)
    working.add_done_callback(stop_watching)
    try:
        await wait_for_disconnect(receive)
        on_disconnect()
    except asyncio.CancelledError:
        # By the work, which has ended; or by a server that stops, and then the work may still say so to the
        # client.
        if not working.done() or watching is None or watching.uncancel():
            raise
    finally:
        is_watching = False
        working.cancel()
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()


async def came_before_end(event: Coroutine[Any, Any, None], work: asyncio.Future[Any]) -> bool:
    """Wait for an event or a piece of work, whichever ends first; the other one is cancelled, and so are both
    with the caller.

    Returns:
        Whether the event came, be it together with the end of the work, which then has its result all the
        same.
    """
    waiting = asyncio.ensure_future(event)
    try:
        await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        waiting.cancel()
        if not work.done():
            work.cancel()
