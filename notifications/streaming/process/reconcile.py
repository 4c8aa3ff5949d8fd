"""Compares delivered positions with the database, which bounds staleness whatever happens to hints."""

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
from notifications.sql.dialect import is_sqlite
from notifications.streaming import timing
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.metrics import METRICS
from notifications.streaming.process.fanout import Fanout
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# Users connect one by one, and each inbox was read when its user connected. What they may have missed since
# then is read together.
COALESCE_SECONDS: Final = 0.05


class Reconciler:
    """Compares the heads of all connected users, every ``reconcile_seconds`` and whenever it is told to.

    Args:
        fanout: the connected users.
        on_tick: called at each regular comparison, for whatever else has to be repaired then.
    """

    def __init__(self, fanout: Fanout, *, on_tick: Callable[[], None]) -> None:
        self._fanout = fanout
        self._on_tick = on_tick
        self._wake = asyncio.Event()
        self._is_full_check_due = False
        self._joined: set[SharedInbox] = set()
        self._outage = Outage(
            logger,
            began="Heads could not be read; the next comparison tries again",
            over="Heads can be read again",
        )

    def check_now(self) -> None:
        """Compare all heads now."""
        self._is_full_check_due = True
        self._wake.set()

    def check_soon(self, inbox: SharedInbox) -> None:
        """Compare one inbox soon: hints for it may have been missed until now.

        If that comparison fails, the next regular one makes up for it.
        """
        if not self._joined:
            asyncio.get_running_loop().call_later(COALESCE_SECONDS, self._wake.set)
        self._joined.add(inbox)

    async def run(self) -> None:
        """Compare until cancelled."""
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
            is_whole, self._is_full_check_due = self._is_full_check_due or is_regular, False
            joined, self._joined = self._joined, set()
            inboxes = self._fanout if is_whole else [inbox for inbox in joined if inbox.connections]
            await self._check(inboxes, is_regular=is_regular)

    async def _check(self, inboxes: Iterable[SharedInbox], *, is_regular: bool) -> None:
        known = list(inboxes)
        if not known:
            return
        # A tuple for each inbox would be so many objects that Python starts a full garbage collection.
        epochs, positions = [inbox.epoch for inbox in known], [inbox.position for inbox in known]
        try:
            users = [inbox.user_id for inbox in known]
            moved = await in_database_thread(selectors.changed_inboxes, users, epochs, positions)
        except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
            self._outage.failed(error)
            return
        self._outage.recovered()
        for inbox, epoch, position in zip(known, epochs, positions, strict=True):
            state = moved.get(inbox.user_id) if moved else None
            if state is None:
                inbox.release_delayed()
            elif inbox.epoch == epoch:
                METRICS.repairs += is_regular and state.head > inbox.position
                self._compare(inbox, state, position)

    def _compare(self, inbox: SharedInbox, state: InboxState, position: int) -> None:
        """Compare one inbox with its row.

        Args:
            position: what was delivered when the query began; a head below it means that the log went back.
        """
        if state.epoch != inbox.epoch:
            inbox.restart("epoch", state.epoch, state.head)
        elif state.head < position:
            inbox.restart("ahead", state.epoch, state.head)
        else:
            self._fanout.reached(inbox, state.head)


def _interval() -> float:
    return timing.with_jitter(hub_config().reconcile_seconds)


def watched_database_uri() -> str | None:
    """Return the URI of the SQLite file to watch for other processes' commits; None without one."""
    if not is_sqlite():
        return None
    is_file = not connection.is_in_memory_db()  # type: ignore[attr-defined]
    return Path(connection.settings_dict["NAME"]).absolute().as_uri() if is_file else None


async def watch_database(uri: str, on_commit: Callable[[], None]) -> None:
    """Call ``on_commit`` soon after any other connection has committed to a SQLite file, until cancelled.

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
                # A checkpoint or a recovery locks the file for a moment, so another process is writing.
                version = None
            if version != seen or version is None:
                on_commit()
            seen = version
            await asyncio.sleep(hub_config().database_watch_seconds)
    finally:
        if watching is not None:
            watching.close()
