"""Compares what was delivered with what the database holds: bounds staleness whatever happens to hints."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from django.db import connection

from notifications import selectors
from notifications.conf import hub_config
from notifications.selectors import InboxState
from notifications.streaming import timing
from notifications.streaming.connection.inbox import SharedInbox
from notifications.streaming.database_threads import in_pool
from notifications.streaming.metrics import METRICS
from notifications.streaming.process.fanout import Fanout
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# Users come one by one, and each was looked at when it came: what they may have missed since is asked for
# together.
TOGETHER_SECONDS: Final = 0.05


class Reconciler:
    """Looks at the heads of all connected users, every ``reconcile_seconds`` and whenever it is asked to.

    Args:
        fanout: the connected users.
        on_tick: called at each regular look, for what else has to be repaired then.
    """

    def __init__(self, fanout: Fanout, *, on_tick: Callable[[], None]) -> None:
        self._fanout = fanout
        self._on_tick = on_tick
        self._wake = asyncio.Event()
        self._is_asked = False
        self._joined: set[SharedInbox] = set()
        self._outage = Outage(
            logger, began="Heads could not be read; the next look tries again", over="Heads can be read again"
        )

    def ask(self) -> None:
        """Look now."""
        self._is_asked = True
        self._wake.set()

    def ask_for(self, inbox: SharedInbox) -> None:
        """Look at one soon: hints for it may have been missed until now. If that look fails, the next regular
        one makes up for it.
        """
        if not self._joined:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._wake.set)
        self._joined.add(inbox)

    async def run(self) -> None:
        """Go on until cancelled."""
        clock = asyncio.get_running_loop().time
        next_look = clock() + _interval()
        while True:
            is_regular = False
            try:
                async with asyncio.timeout_at(next_look):
                    await self._wake.wait()
            except TimeoutError:
                is_regular, next_look = True, clock() + _interval()
                self._on_tick()
            self._wake.clear()
            is_whole, self._is_asked = self._is_asked or is_regular, False
            joined, self._joined = self._joined, set()
            wanted = self._fanout if is_whole else [inbox for inbox in joined if inbox.connections]
            await self._look(wanted, is_regular=is_regular)

    async def _look(self, inboxes: Iterable[SharedInbox], *, is_regular: bool) -> None:
        known = list(inboxes)
        if not known:
            return
        # A tuple for each would be so many objects that the garbage collector looks through everything there
        # is.
        epochs, positions = [inbox.epoch for inbox in known], [inbox.position for inbox in known]
        try:
            users = [inbox.user_id for inbox in known]
            moved = await in_pool(selectors.moved_inboxes, users, epochs, positions)
        except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
            self._outage.failed(error)
            return
        self._outage.recovered()
        for inbox, epoch, position in zip(known, epochs, positions, strict=True):
            state = moved.get(inbox.user_id) if moved else None
            if state is None:
                inbox.release()
            elif inbox.epoch == epoch:
                METRICS.repairs += is_regular and state.head > inbox.position
                self._compare(inbox, state, position)

    def _compare(self, inbox: SharedInbox, state: InboxState, position: int) -> None:
        """``position`` is what was delivered when the query began, so a head below it went back."""
        if state.epoch != inbox.epoch:
            inbox.restart("epoch", state.epoch, state.head)
        elif state.head < position:
            inbox.restart("ahead", state.epoch, state.head)
        else:
            self._fanout.reached(inbox, state.head)


def _interval() -> float:
    return timing.spread(hub_config().reconcile_seconds)


def watched_database() -> str | None:
    """The URI of a SQLite file, in which other processes' commits can be noticed; None for any other
    database.
    """
    if connection.vendor != "sqlite":
        return None
    is_file = not connection.is_in_memory_db()  # type: ignore[attr-defined]
    return Path(connection.settings_dict["NAME"]).absolute().as_uri() if is_file else None


async def watch_database(uri: str, on_commit: Callable[[], None]) -> None:
    """Call ``on_commit`` soon after any other connection has committed to a SQLite file; go on until
    cancelled.

    ``PRAGMA data_version`` reads one number from memory that the processes share, and takes no lock.
    """
    seen: int | None = None
    watching: sqlite3.Connection | None = None
    try:
        while True:
            try:
                if watching is None:
                    watching = sqlite3.connect(f"{uri}?mode=rw", uri=True, timeout=0, isolation_level=None)
                (version,) = watching.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:
                # Locked for a moment, by a checkpoint or a recovery: somebody is writing.
                version = None
            if version != seen or version is None:
                on_commit()
            seen = version
            await asyncio.sleep(hub_config().database_watch_seconds)
    finally:
        if watching is not None:
            watching.close()
