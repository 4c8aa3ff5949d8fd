"""Everything that one event loop runs for its streams, and how all of it starts and stops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Collection, Coroutine
from typing import Any, Final, Protocol
from uuid import UUID

from channels.layers import get_channel_layer

from notifications.conf import hub_config
from notifications.http.token_buckets import MemoryBuckets
from notifications.streaming import timing
from notifications.streaming.asgi import Receive
from notifications.streaming.concurrency_limit import ConcurrencyLimit
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.connection.slow_readers import watch_peers
from notifications.streaming.frames import CloseReason
from notifications.streaming.hints import publisher
from notifications.streaming.hints.receiver import HintReceiver
from notifications.streaming.metrics import METRICS
from notifications.streaming.process import credential_validity
from notifications.streaming.process.fanout import Fanout
from notifications.streaming.process.long_polls import LongPolls
from notifications.streaming.process.reconcile import Reconciler, watch_database, watched_database_uri
from notifications.streaming.process.refill import Refill
from notifications.streaming.process.revocation import Revocation
from notifications.streaming.process.show_again import ShowAgain
from notifications.streaming.process.stream_records import StreamRecords
from notifications.streaming.tasks import cancel_all
from notifications.streaming.transient import ReceivedEvent

# The share of the drain in which readers may take their last frame; the rest ends what hangs.
GRACEFUL_PART: Final = 0.6


class OtherStreams(Protocol):
    """Streams of another kind on the same loop, which are drained and stopped with the users' own."""

    @property
    def tasks(self) -> Collection[asyncio.Task[None]]:
        """The tasks that each serve one stream."""

    def drain(self) -> None:
        """Refuse new streams, and close those that are open."""

    async def stop(self) -> None:
        """Stop whatever feeds them."""


class Runtime:
    """The streams of one event loop, and everything that feeds them."""

    def __init__(self) -> None:
        config = hub_config()
        self.is_draining = False
        # Live changes are read by the same few threads, so the share of many openings at once is bounded.
        self.opening_limit = ConcurrencyLimit(config.max_openings, max_waiting=config.max_waiting_openings)
        self.backlog_limit = ConcurrencyLimit(config.max_resumes)
        self.opening_buckets = MemoryBuckets()  # limits how often each user may open a stream here
        self._refill = Refill()
        self.fanout = Fanout(
            on_membership=self._look_at, on_behind=self._refill.add, on_look=self._check_revocation
        )
        self._show_again = ShowAgain(self.fanout, may_show=self._may_show)
        self._hint_receiver = HintReceiver(
            get_channel_layer(),
            is_connected=self.fanout.__contains__,
            on_hint=self.fanout.hint,
            on_look=self.fanout.look,
            on_event=self._show,
            on_show=self._show_again.add,
            on_joined=self._check_joined,
        )
        self._reconciler = Reconciler(self.fanout, on_tick=self._rejoin_groups)
        self._serving: dict[Connection, asyncio.Task[None]] = {}
        self.stream_records = StreamRecords()
        self.long_polls = LongPolls()
        self._revocation = Revocation(
            self._serving, self.long_polls.polls, self.stream_records, credential_validity.invalidated
        )
        self.other_streams: list[OtherStreams] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._unrejoined: list[str] = []

    def start(self) -> None:
        """Start everything on the running loop."""
        self._hint_receiver.start()
        publisher.start_in(asyncio.get_running_loop())
        self._start_task(self._reconciler.run(), "hub reconciler")
        self._start_task(watch_peers(self._serving), "hub peers")
        self._start_task(self.stream_records.run(), "hub stream records")
        self._start_task(self._revocation.run(), "hub revocation")
        if uri := watched_database_uri():
            self._start_task(watch_database(uri, self._reconciler.check_now), "hub database watcher")

    async def serve(self, connection: Connection, receive: Receive) -> None:
        """Run a stream to its end; a drain that begins meanwhile closes it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        self._serving[connection] = task
        self.stream_records.add(connection.id, connection)
        try:
            await connection.run(receive)
        except asyncio.CancelledError:
            if not self.is_draining:
                raise
            task.uncancel()  # the drain cancelled it, and the stream has ended
        finally:
            del self._serving[connection]
            self.stream_records.note_end(connection.id, connection.end_reason)

    def close(self, keys: Collection[UUID], reason: CloseReason) -> None:
        """Close the streams with these keys that are open here."""
        for connection in self._serving if keys else ():
            if connection.id in keys:
                connection.close(reason)

    async def drain(self) -> None:
        """Refuse new streams, and close those that are open within ``drain_seconds``."""
        self.is_draining = True
        for connection in self._serving:
            connection.close("shutdown")
        for others in self.other_streams:
            others.drain()
        self.long_polls.end_all()
        seconds = hub_config().drain_seconds
        if serving := self._all_serving():
            await asyncio.wait(serving, timeout=seconds * GRACEFUL_PART)
        for task in self._all_serving():
            task.cancel()
        if serving := self._all_serving():
            await asyncio.wait(serving, timeout=seconds * (1 - GRACEFUL_PART) / 2)
        await self.stop()

    def _all_serving(self) -> list[asyncio.Task[None]]:
        return [*self._serving.values(), *(task for others in self.other_streams for task in others.tasks)]

    async def stop(self) -> None:
        """Stop everything that feeds streams."""
        publisher.stop_in(asyncio.get_running_loop())
        await cancel_all(self._tasks)
        await self.stream_records.stop()
        for others in self.other_streams:
            await others.stop()
        await self._refill.stop()
        await self._show_again.stop()
        await self._hint_receiver.stop()

    def _start_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    def _may_show(self) -> bool:
        return self._revocation.is_verified()

    def _show(self, received: ReceivedEvent) -> None:
        """Show a transient event if the credentials of the streams were checked lately; drop it otherwise.

        A change is read from the database, which then knows of revoked credentials too. A transient event
        does not come from the database.
        """
        if self._may_show():
            self.fanout.show(received)
        else:
            METRICS.transient_frames["dropped"] += 1

    def _look_at(self, key: str) -> None:
        self._hint_receiver.update_group(key)

    def _check_joined(self, key: str) -> None:
        inbox = self.fanout.get(key)
        if inbox is not None:
            self._reconciler.check_soon(inbox)

    def _check_revocation(self, inbox: SharedInbox) -> None:
        self._revocation.check_soon(inbox)

    def _rejoin_groups(self) -> None:
        """Join some of the groups again: a layer that was restarted has forgotten them, and tells nobody."""
        if not self._unrejoined:
            self._unrejoined = self.fanout.keys()
        for key in self._unrejoined[-timing.MAX_REPAIRS_PER_TICK :]:
            self._hint_receiver.update_group(key)
        del self._unrejoined[-timing.MAX_REPAIRS_PER_TICK :]


_runtimes: dict[asyncio.AbstractEventLoop, Runtime] = {}


def current_runtime() -> Runtime:
    """Return the runtime of the running loop; the first call starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _runtimes:
        for known in tuple(_runtimes):
            if known.is_closed():
                del _runtimes[known]
        # Its tasks outlive the request that happens to come first, so they must not log with its id.
        _runtimes[loop] = contextvars.Context().run(Runtime)
        contextvars.Context().run(_runtimes[loop].start)
    return _runtimes[loop]


async def drain_current() -> None:
    """Drain the streams of the running loop, if it ever had any."""
    runtime = _runtimes.get(asyncio.get_running_loop())
    if runtime is not None:
        await runtime.drain()
