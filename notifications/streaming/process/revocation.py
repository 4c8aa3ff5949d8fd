"""Whether this process's streams and long polls may go on: asked when a look comes, and of all of them at
each tick.

A look decides nothing: which streams somebody else has ended is read from their rows, whose right has ended
from the rights.
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
from notifications.streaming.connection.credential import Credential
from notifications.streaming.connection.inbox import SharedInbox
from notifications.streaming.database_threads import in_pool
from notifications.streaming.frames import CloseReason, Ending
from notifications.streaming.process.open_polls import Poll
from notifications.streaming.process.stream_records import Presence
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# However seldom the heads are compared: a right that has ended ends its streams within ten seconds.
MAX_TICK_SECONDS: Final = 6.0
MAX_UNKNOWN_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 1.0
TOGETHER_SECONDS: Final = 0.02  # looks of so long a time are answered together

# From the credentials of open streams to how each ends whose right has ended. It asks the database, in the
# private pool.
Ended = Callable[[Collection[Credential]], Mapping[Credential, Ending]]


class Standing:
    """Ends streams, and waits, that may not go on.

    Args:
        connections: the open streams of this process.
        polls: its long polls; one whose right has ended goes on to Django, which refuses it.
        presence: the streams' record.
        ended: whose right has ended.
    """

    def __init__(
        self, connections: Collection[Connection], polls: Collection[Poll], presence: Presence, ended: Ended
    ) -> None:
        self._connections = connections
        self._polls = polls
        self._presence = presence
        self._ended = ended
        self._asked: set[SharedInbox] = set()
        self._wake = asyncio.Event()
        self._outage = Outage(
            logger,
            began="The standing of streams could not be read; the next look follows",
            over="The standing of streams can be read again",
        )
        self._clock = asyncio.get_running_loop().time
        self._known_at = self._clock()

    def is_known(self) -> bool:
        """Whether the rights of all streams were read within ten seconds: what comes from elsewhere than the
        database may go out.
        """
        return self._clock() - self._known_at <= MAX_UNKNOWN_SECONDS

    def ask(self, inbox: SharedInbox) -> None:
        """Look at the streams of one user soon, and once more: some tell of what they are only about to do,
        as Django of a logout.
        """
        self._ask(inbox)
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._ask, inbox)

    def _ask(self, inbox: SharedInbox) -> None:
        self._asked.add(inbox)
        self._wake.set()

    async def run(self) -> None:
        """Go on until cancelled; one look at a time."""
        next_tick = self._clock()
        while True:
            if (now := self._clock()) >= next_tick:
                seconds = timing.spread(hub_config().reconcile_seconds)
                next_tick = now + min(seconds, MAX_TICK_SECONDS)
                if await self._look([*self._connections, *self._polls]):
                    self._known_at = now
            try:
                async with asyncio.timeout_at(next_tick):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(TOGETHER_SECONDS)
            self._wake.clear()
            asked, self._asked = self._asked, set()
            listeners = [listener for inbox in asked for listener in inbox.connections]
            here = [one for one in listeners if one in self._connections or one in self._polls]
            await self._look(cast("list[Connection | Poll]", here))

    async def _look(self, looked_at: Collection[Connection | Poll]) -> bool:
        """Look at some; False when the database did not answer."""
        if not looked_at:
            return True
        try:
            # In this order: a logout ends the rows of its streams first and its session then, so who misses
            # the rows sees the session.
            ended = await in_pool(self._ended, {one.credential for one in looked_at})
            asked = await in_pool(selectors.streams_asked_to_end, self._presence.worker.pk)
        except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
            self._outage.failed(error)
            return False
        self._outage.recovered()
        self._end(asked)
        for one in looked_at:
            if (ending := ended.get(one.credential)) is not None:
                one.close(ending.reason, may_return=ending.may_return)
        return True

    def _end(self, asked: Mapping[UUID, str]) -> None:
        if asked:
            for connection in self._connections:
                if connection.id in asked:
                    connection.close(cast("CloseReason", asked[connection.id]))
            self._presence.settle(asked)
