"""The backlog of one connection: pages of the log, one after the other, each in a turn of this process's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from notifications.conf import hub_config
from notifications.exceptions import CursorExpired
from notifications.streaming import timing
from notifications.streaming.connection.admission import Turns
from notifications.streaming.connection.changes import Page, read_page
from notifications.streaming.connection.log_position import Session
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.database_threads import in_pool

logger = logging.getLogger(__name__)


class Backlog:
    """Reads the log from where a session stands. What cannot be read is read again, after a growing pause.

    Args:
        key: of the stream, for the log.
        user_id: whose inbox.
        session: says from where to read.
        request: says what of it, in which form.
        turns: those of this process for reading a page.
        on_page: called when a page has come, or could not be read.
    """

    __slots__ = (
        "_again_at",
        "_failures",
        "_key",
        "_on_page",
        "_page",
        "_request",
        "_session",
        "_turns",
        "_user_id",
    )

    def __init__(
        self,
        *,
        key: UUID,
        user_id: Any,
        session: Session,
        request: StreamRequest,
        turns: Turns,
        on_page: Callable[[], None],
    ) -> None:
        self._key = key
        self._user_id = user_id
        self._session = session
        self._request = request
        self._turns = turns
        self._on_page = on_page
        self._page: asyncio.Task[Page] | None = None
        self._failures = 0
        self._again_at = 0.0

    def is_due(self, now: float) -> bool:
        """Whether a page has come, or may be asked for."""
        return now >= self._again_at if self._page is None else self._page.done()

    @property
    def due_at(self) -> float:
        """When a page may be asked for, by the loop's clock; never, while one is being read."""
        return self._again_at if self._page is None else float("inf")

    def ask(self, up_to: int) -> None:
        """Begin to read the next page on the way to a position."""
        self._page = asyncio.create_task(self._read(up_to))
        self._page.add_done_callback(self._came)

    def take(self, now: float) -> Page | None:
        """The page that has come; None when there is none, or it could not be read.

        Raises:
            CursorExpired: the log was compacted while it was read from here, so that what is left of it no
                longer folds on what was sent.
        """
        page, self._page = self._page, None
        if page is None:
            return None
        error = page.exception()
        if error is None:
            self._failures = 0
            return page.result()
        if isinstance(error, CursorExpired):
            raise error
        self._failures += 1
        self._again_at = now + timing.backoff_seconds(self._failures)
        logger.warning("Stream %s could not read its backlog and tries again: %s", self._key, error)
        return None

    def drop(self) -> None:
        """Nobody waits for the page any more that is being read."""
        if self._page is not None:
            self._page.cancel()
            self._page = None

    def _came(self, page: asyncio.Task[Page]) -> None:
        if not page.cancelled():
            page.exception()  # looked at here, too, for a page that nobody takes any more
        self._on_page()

    async def _read(self, up_to: int) -> Page:
        config, session = hub_config(), self._session
        async with self._turns.turn():
            return await in_pool(
                read_page,
                self._user_id,
                session.next_stretch(up_to),
                epoch=session.epoch,
                filters=self._request.filters,
                form=self._request.form,
                max_rows=config.max_backlog_page,
                max_bytes=config.max_queue_bytes,
                floor=session.floor,
            )
