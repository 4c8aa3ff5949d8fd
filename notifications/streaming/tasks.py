"""Starts tasks on demand, cancels them for certain, and ends them when a client disconnects."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Final

ATTEMPTS: Final = 20
ATTEMPT_SECONDS: Final = 0.1


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; exceptions that they raise are ignored.

    A Redis client swallows a cancellation that arrives while it connects, so the cancellation is repeated,
    for two seconds at most.
    """
    pending = {task for task in tasks if not task.done()}
    for _ in range(ATTEMPTS):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ATTEMPT_SECONDS)


class OnDemandTask:
    """One task at a time that does work for many callers. ``start`` starts it unless it is running.

    The task runs in an empty context, because it works for all callers: what it logs must not carry the
    request id of the one that happened to start it.

    Args:
        work: does everything there is to do, and ends when nothing is left.
        name: the name of the task.
    """

    __slots__ = ("_name", "_task", "_work")

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the task was started and has not ended."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start the task on the running loop, unless it is running."""
        if not self.is_running:
            loop, context = asyncio.get_running_loop(), contextvars.Context()
            self._task = loop.create_task(self._work(), name=self._name, context=context)

    async def stop(self) -> None:
        """Cancel the task and wait until it has ended."""
        if self._task is not None:
            await cancel_all([self._task])


async def wait_for_disconnect(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def run_until_disconnect(
    receive: Callable[[], Awaitable[Mapping[str, Any]]],
    work: Coroutine[Any, Any, None],
    *,
    name: str,
    on_disconnect: Callable[[], None],
) -> None:
    """Run work in a task until it ends or the client disconnects; then no task is left.

    That takes one task, not two, because the calling task itself waits for the disconnect.

    Args:
        receive: the ASGI callable.
        work: the work. It is cancelled when the client disconnects, and when the caller is cancelled.
        name: the name of the task.
        on_disconnect: called when the client has disconnected, before the work is cancelled.
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
        # Either the work has ended and cancelled this task, or the server stops. In the second case the work
        # may still tell the client so.
        if not working.done() or watching is None or watching.uncancel():
            raise
    finally:
        is_watching = False
        working.cancel()
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()


async def came_before_end(event: Coroutine[Any, Any, None], work: asyncio.Future[Any]) -> bool:
    """Wait for an event or the end of some work, whichever comes first, and cancel the other.

    Both are cancelled when the caller is.

    Returns:
        Whether the event came. It may have come together with the end of the work, which then has a result.
    """
    waiting = asyncio.ensure_future(event)
    try:
        await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        waiting.cancel()
        if not work.done():
            work.cancel()


class Wakeup:
    """Wakes the one task that waits for it. It stays set until it is cleared, like an event.

    Attributes:
        is_awaited: a task is waiting, and nothing has woken it yet.
    """

    __slots__ = ("_is_set", "_waiter", "is_awaited")

    def __init__(self) -> None:
        self._is_set = self.is_awaited = False
        self._waiter: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Wake the task that waits, now or when it next waits."""
        self._is_set = True
        self.is_awaited = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Make the next ``wait`` sleep again."""
        self._is_set = False

    async def wait(self) -> None:
        """Sleep until it is set; return at once if it is set already."""
        if self._is_set:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        self.is_awaited = True
        try:
            await self._waiter
        finally:
            self._waiter = None
            self.is_awaited = False
