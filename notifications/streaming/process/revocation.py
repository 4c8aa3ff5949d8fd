"""Ends streams and long polls of this process that are no longer authorized.

All of them are checked at each tick, and one user's when a look comes. A look decides nothing: which streams
somebody else has ended is read from their rows, and which credentials are no longer valid is read from the
tables that they rest on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final, cast
from uuid import UUID

from notifications import selectors
from notifications.conf import hub_config
from notifications.streaming import timing
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.credential import Credential
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.frames import CloseReason, Ending
from notifications.streaming.process.long_polls import LongPoll
from notifications.streaming.process.stream_records import StreamRecords
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# However seldom the heads are compared: a credential that is no longer valid ends its streams within ten
# seconds.
MAX_TICK_SECONDS: Final = 6.0
MAX_UNVERIFIED_SECONDS: Final = 10.0
RECHECK_SECONDS: Final = 1.0
COALESCE_SECONDS: Final = 0.02  # looks that come within this time are answered together

# Finds, among the credentials of open streams, those that are no longer valid, and how their streams close.
# Runs in a database thread.
FindInvalidated = Callable[[Collection[Credential]], Mapping[Credential, Ending]]


class Revocation:
    """Ends streams and long polls that are no longer authorized.

    Args:
        connections: the open streams of this process.
        polls: its long polls; one that is no longer authorized goes on to Django, which refuses it.
        stream_records: the records of the streams.
        find_invalidated: finds the credentials that are no longer valid.
    """

    def __init__(
        self,
        connections: Collection[Connection],
        polls: Collection[LongPoll],
        stream_records: StreamRecords,
        find_invalidated: FindInvalidated,
    ) -> None:
        self._connections = connections
        self._polls = polls
        self._stream_records = stream_records
        self._find_invalidated = find_invalidated
        self._queued: set[SharedInbox] = set()
        self._wake = asyncio.Event()
        self._outage = Outage(
            logger,
            began="The credentials of streams could not be checked; the next check follows",
            over="The credentials of streams can be checked again",
        )
        self._clock = asyncio.get_running_loop().time
        self._verified_at = self._clock()

    def is_verified(self) -> bool:
        """Return whether the credentials of all streams were checked within the last ten seconds.

        Only then may anything go out that comes from elsewhere than the database.
        """
        return self._clock() - self._verified_at <= MAX_UNVERIFIED_SECONDS

    def check_soon(self, inbox: SharedInbox) -> None:
        """Check the streams of one user soon, and once more a second later.

        The second check is for senders that announce what they are only about to do, as Django does with a
        logout.
        """
        self._queue(inbox)
        asyncio.get_running_loop().call_later(RECHECK_SECONDS, self._queue, inbox)

    def _queue(self, inbox: SharedInbox) -> None:
        self._queued.add(inbox)
        self._wake.set()

    async def run(self) -> None:
        """Check until cancelled, one check at a time."""
        next_tick = self._clock()
        while True:
            if (now := self._clock()) >= next_tick:
                seconds = timing.with_jitter(hub_config().reconcile_seconds)
                next_tick = now + min(seconds, MAX_TICK_SECONDS)
                if await self._check([*self._connections, *self._polls]):
                    self._verified_at = now
            try:
                async with asyncio.timeout_at(next_tick):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(COALESCE_SECONDS)
            self._wake.clear()
            queued, self._queued = self._queued, set()
            listeners = [listener for inbox in queued for listener in inbox.connections]
            checked = [one for one in listeners if one in self._connections or one in self._polls]
            await self._check(cast("list[Connection | LongPoll]", checked))

    async def _check(self, checked: Collection[Connection | LongPoll]) -> bool:
        """Check some streams and polls; return False when the database did not answer."""
        if not checked:
            return True
        try:
            # The credentials come first, because a logout marks the rows of its streams before it deletes its
            # session: a check that finds the session gone then finds the marks too, with their reason.
            invalidated = await in_database_thread(
                self._find_invalidated, {one.credential for one in checked}
            )
            requested_ends = await in_database_thread(
                selectors.streams_requested_to_end, self._stream_records.worker.pk
            )
        except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
            self._outage.failed(error)
            return False
        self._outage.recovered()
        self._end(requested_ends)
        for one in checked:
            if (ending := invalidated.get(one.credential)) is not None:
                one.close(ending.reason, must_reconnect=ending.must_reconnect)
        return True

    def _end(self, reasons: Mapping[UUID, str]) -> None:
        if reasons:
            for connection in self._connections:
                if connection.id in reasons:
                    connection.close(cast("CloseReason", reasons[connection.id]))
            self._stream_records.close_missing(reasons)
