"""What one event loop runs for its streams: fan-out, refill, membership, reconciliation; and how it stops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Collection, Coroutine
from typing import Any, Final, Protocol
from uuid import UUID

from channels.layers import get_channel_layer

from notifications.conf import hub_config
from notifications.http.rate_limits import MemoryBuckets
from notifications.streaming import timing
from notifications.streaming.asgi import Receive
from notifications.streaming.connection.admission import Turns
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.inbox import SharedInbox
from notifications.streaming.connection.transport import watch_peers
from notifications.streaming.frames import CloseReason
from notifications.streaming.hints import publisher
from notifications.streaming.hints.receiver import Membership
from notifications.streaming.metrics import METRICS
from notifications.streaming.process import ended_rights
from notifications.streaming.process.fanout import Fanout
from notifications.streaming.process.open_polls import Polls
from notifications.streaming.process.reconcile import Reconciler, watch_database, watched_database
from notifications.streaming.process.refill import Refill
from notifications.streaming.process.revocation import Standing
from notifications.streaming.process.show_again import Shown
from notifications.streaming.process.stream_records import Presence
from notifications.streaming.tasks import end_all
from notifications.streaming.transient import Received

# Of the time for a stop: the first part is for readers to take their last frame, the rest to end what hangs.
POLITE_PART: Final = 0.6


class Beside(Protocol):
    """Streams of another kind on the same loop, which are drained and stopped with the users' own."""

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """Those that serve one."""

    def drain(self) -> None:
        """Take no more, and close those that are open."""

    async def stop(self) -> None:
        """End what feeds them."""


class Runtime:
    """The streams of one event loop, and everything that feeds them."""

    def __init__(self) -> None:
        config = hub_config()
        self.is_draining = False
        # Live changes are read by the same few threads, so what storms may ask of those is bounded.
        self.opening_turns = Turns(config.max_openings, max_waiting=config.max_waiting_openings)
        self.backlog_turns = Turns(config.max_resumes)
        self.asked = MemoryBuckets()  # how often each user has asked for a stream here
        self._refill = Refill()
        self.fanout = Fanout(
            on_membership=self._look_at, on_behind=self._refill.add, on_look=self._check_standing
        )
        self._shown = Shown(self.fanout, may_show=self._may_show)
        self._membership = Membership(
            get_channel_layer(),
            is_wanted=self.fanout.__contains__,
            on_hint=self.fanout.hint,
            on_look=self.fanout.look,
            on_event=self._show,
            on_show=self._shown.add,
            on_joined=self._look_again,
        )
        self._reconciler = Reconciler(self.fanout, on_tick=self._repair)
        self._serving: dict[Connection, asyncio.Task[None]] = {}
        self.presence = Presence()
        self.polls = Polls()
        self._standing = Standing(self._serving, self.polls.waiting, self.presence, ended_rights.ended)
        self.beside: list[Beside] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unrepaired: list[str] = []

    def start(self) -> None:
        """Begin, on the running loop."""
        self._membership.start()
        publisher.start_in(asyncio.get_running_loop())
        self._begin(self._reconciler.run(), "hub reconciler")
        self._begin(watch_peers(self._serving), "hub peers")
        self._begin(self.presence.run(), "hub presence")
        self._begin(self._standing.run(), "hub standing")
        if uri := watched_database():
            self._begin(watch_database(uri, self._reconciler.ask), "hub database watcher")

    async def serve(self, connection: Connection, receive: Receive) -> None:
        """Run a stream to its end; a drain that begins meanwhile closes it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        self._serving[connection] = task
        self.presence.add(connection.id, connection)
        try:
            await connection.run(receive)
        except asyncio.CancelledError:
            if not self.is_draining:
                raise
            task.uncancel()  # by the drain, and it has ended
        finally:
            del self._serving[connection]
            self.presence.note_end(connection.id, connection.end_reason)

    def close(self, keys: Collection[UUID], reason: CloseReason) -> None:
        """End those of some streams that are open here."""
        for connection in self._serving if keys else ():
            if connection.id in keys:
                connection.close(reason)

    async def drain(self) -> None:
        """Take no more streams, and close those that are open, within ``drain_seconds``."""
        self.is_draining = True
        for connection in self._serving:
            connection.close("shutdown")
        for others in self.beside:
            others.drain()
        self.polls.end_all()
        seconds = hub_config().drain_seconds
        if serving := self._all_serving():
            await asyncio.wait(serving, timeout=seconds * POLITE_PART)
        for task in self._all_serving():
            task.cancel()
        if serving := self._all_serving():
            await asyncio.wait(serving, timeout=seconds * (1 - POLITE_PART) / 2)
        await self.stop()

    def _all_serving(self) -> list[asyncio.Task[None]]:
        return [*self._serving.values(), *(task for others in self.beside for task in others.tasks)]

    async def stop(self) -> None:
        """End everything that feeds streams."""
        publisher.stop_in(asyncio.get_running_loop())
        await end_all(self._tasks)
        await self.presence.stop()
        for others in self.beside:
            await others.stop()
        await self._refill.stop()
        await self._shown.stop()
        await self._membership.stop()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    def _may_show(self) -> bool:
        return self._standing.is_known()

    def _show(self, received: Received) -> None:
        """Changes are read from the database, which then knows of rights, too; a transient event comes past
        it.
        """
        if self._may_show():
            self.fanout.show(received)
        else:
            METRICS.transient_frames["dropped"] += 1

    def _look_at(self, key: str) -> None:
        self._membership.look_at(key)

    def _look_again(self, key: str) -> None:
        inbox = self.fanout.get(key)
        if inbox is not None:
            self._reconciler.ask_for(inbox)

    def _check_standing(self, inbox: SharedInbox) -> None:
        self._standing.ask(inbox)

    def _repair(self) -> None:
        """A layer that was restarted has forgotten its groups, and tells nobody."""
        if not self._unrepaired:
            self._unrepaired = self.fanout.keys()
        for key in self._unrepaired[-timing.MAX_REPAIRS_PER_TICK :]:
            self._membership.look_at(key)
        del self._unrepaired[-timing.MAX_REPAIRS_PER_TICK :]


_runtimes: dict[asyncio.AbstractEventLoop, Runtime] = {}


def current_runtime() -> Runtime:
    """The runtime of the running loop, started at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _runtimes:
        for known in tuple(_runtimes):
            if known.is_closed():
                del _runtimes[known]
        # Its tasks outlive the request that happens to be the first, and must not log in its name.
        _runtimes[loop] = contextvars.Context().run(Runtime)
        contextvars.Context().run(_runtimes[loop].start)
    return _runtimes[loop]


async def drain_current() -> None:
    """Drain the running loop's streams, if it ever had any."""
    runtime = _runtimes.get(asyncio.get_running_loop())
    if runtime is not None:
        await runtime.drain()
