"""Shows notifications once more on the open streams of their recipients, because staff asked for it.

This is best effort, and nothing is stored. A message names keys and nothing else, so a forged one can only
make users see again what they have in their list.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from notifications import selectors
from notifications.payloads import notification_json, timestamp
from notifications.streaming import frames
from notifications.streaming.addressing import user_key
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.metrics import METRICS
from notifications.streaming.process.fanout import Fanout
from notifications.streaming.tasks import OnDemandTask
from notifications.streaming.transient import TransientEvent, TransientFrame

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 10_000  # further ones are dropped
MAX_ROWS: Final = 200  # in one query; the next query waits until these were offered


class _Rendered(NamedTuple):
    """A notification that was read and rendered."""

    key: str
    position: int
    event: TransientEvent


class ShowAgain:
    """Reads the notifications that are to be shown again, and offers them to their recipients' connections.

    Args:
        fanout: the users who are connected.
        may_show: returns whether the credentials of the streams were checked lately, as for transient events.
    """

    def __init__(self, fanout: Fanout, *, may_show: Callable[[], bool]) -> None:
        self._fanout = fanout
        self._may_show = may_show
        self._waiting: deque[int] = deque()
        self._reading = OnDemandTask(self._read_all, name="hub show again")

    def add(self, key: str, notification_id: int) -> None:
        """Show a notification soon, if its recipient is connected."""
        if key not in self._fanout:
            return
        if len(self._waiting) >= MAX_WAITING or not self._may_show():
            METRICS.transient_frames["dropped"] += 1
            return
        self._waiting.append(notification_id)
        self._reading.start()

    async def stop(self) -> None:
        """Stop at once."""
        await self._reading.stop()

    async def _read_all(self) -> None:
        while self._waiting:
            ids = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_ROWS))]
            try:
                shows = await in_database_thread(_read, ids)
            except Exception as error:  # noqa: BLE001 (best effort: streams outlive any failure of the database)
                METRICS.transient_frames["dropped"] += len(ids)
                logger.warning("%d notifications could not be read to be shown again: %s", len(ids), error)
                continue
            for show in shows:
                inbox = self._fanout.get(show.key)
                if inbox is not None and self._may_show():
                    inbox.offer_transient(show.event, after=show.position)


def _read(ids: Collection[int]) -> list[_Rendered]:
    """Read and render those notifications that are listed, with one query. Runs in a database thread."""
    shows: list[_Rendered] = []
    for user_id, row in selectors.listed_notifications(ids):
        frame = _render(row)
        if frame:
            event = TransientEvent(TransientFrame(frame), row.type, row.topic, row.category, row.level)
            shows.append(_Rendered(user_key(user_id), row.position, event))
    return shows


def _render(row: Any) -> bytes:
    try:
        return frames.notification_shown(at=timestamp(datetime.now(UTC)), notification=notification_json(row))
    except Exception:  # a row that cannot be rendered must not keep others from being shown
        logger.exception("Notification %s cannot be rendered and is not shown again", row.public_id)
        return b""
