"""Brings inboxes that are behind up to date from the log, with one query at a time for all of them.

The next query starts only after a short pause, so a burst of hints costs few queries.
"""

from __future__ import annotations

import asyncio
import logging
import time

from notifications import selectors
from notifications.conf import hub_config
from notifications.payloads import ChangeRow
from notifications.streaming import timing
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.metrics import METRICS
from notifications.streaming.tasks import OnDemandTask
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)


class Refill:
    """Reads the changes that inboxes lack, and delivers them.

    Inboxes that fall behind while a query runs are read by the next one. A query that fails is tried again,
    with a growing pause, for as long as any inbox is behind.
    """

    def __init__(self) -> None:
        self._behind: dict[SharedInbox, None] = {}
        self._reading = OnDemandTask(self._read_all, name="hub refill")
        self._outage = Outage(
            logger,
            began="Changes could not be read and are tried again",
            over="Changes can be read again",
        )

    def add(self, inbox: SharedInbox) -> None:
        """Bring an inbox up to date soon."""
        self._behind[inbox] = None
        self._reading.start()

    async def stop(self) -> None:
        """Stop at once."""
        await self._reading.stop()

    async def _read_all(self) -> None:
        failures = 0
        while self._behind:
            batch = list(self._behind)[: timing.MAX_USERS_PER_QUERY]
            for inbox in batch:
                del self._behind[inbox]
            try:
                await self._refill([inbox for inbox in batch if inbox.connections])
            except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
                self._behind.update(dict.fromkeys(batch))
                self._outage.failed(error)
                failures += 1
                await asyncio.sleep(timing.backoff_seconds(failures))
            else:
                self._outage.recovered()
                failures = 0
                await asyncio.sleep(timing.MIN_REFILL_SECONDS)

    async def _refill(self, batch: list[SharedInbox]) -> None:
        if not batch:
            return
        max_rows = max(timing.MIN_ROWS_PER_USER, hub_config().max_backlog_page // len(batch))
        read_from = {inbox: (inbox.epoch, inbox.position) for inbox in batch}
        logs = await in_database_thread(_read, read_from, max_rows)
        for inbox, changes in logs.items():
            if (inbox.epoch, inbox.position) != read_from[inbox]:
                self._behind[inbox] = None  # its positions were reused meanwhile
                continue
            METRICS.fan_out.add(time.time() - changes[0].changed_at)
            inbox.deliver(changes)
            if len(changes) >= max_rows:
                self._behind[inbox] = None


def _read(
    read_from: dict[SharedInbox, tuple[str, int]], max_rows: int
) -> dict[SharedInbox, list[SharedChange]]:
    """Read the changes that each inbox lacks, and render them once for all its connections.

    Runs in a database thread.
    """
    positions = {inbox.user_id: position for inbox, (_, position) in read_from.items()}
    logs: dict[object, list[ChangeRow]] = selectors.changes_since(positions, limit=max_rows)
    return {
        inbox: [SharedChange(row, epoch) for row in logs[inbox.user_id]]
        for inbox, (epoch, _) in read_from.items()
        if inbox.user_id in logs
    }
