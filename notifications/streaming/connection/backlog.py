"""The backlog of one connection: the log read page by page, under this process's limit on such reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from notifications.conf import hub_config
from notifications.exceptions import CursorExpired
from notifications.streaming import timing
from notifications.streaming.concurrency_limit import ConcurrencyLimit
from notifications.streaming.connection.changes import LogPage, read_log_page
from notifications.streaming.connection.log_position import LogPosition
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.database_threads import in_database_thread

logger = logging.getLogger(__name__)


class Backlog:
    """Reads the log from a connection's position, one page at a time.

    A page that cannot be read is read again, after a growing pause.

    Args:
        key: the id of the stream, for log messages.
        user_id: primary key of the user whose inbox it is.
        position: says what to read next.
        request: says which changes are wanted, and in which form.
        limit: how many pages this process reads at once.
        on_page: called when a page has been read, or could not be.
    """

    __slots__ = (
        "_failures",
        "_key",
        "_limit",
        "_on_page",
        "_page",
        "_position",
        "_request",
        "_retry_at",
        "_user_id",
    )

    def __init__(
        self,
        *,
        key: UUID,
        user_id: Any,
        position: LogPosition,
        request: StreamRequest,
        limit: ConcurrencyLimit,
        on_page: Callable[[], None],
    ) -> None:
        self._key = key
        self._user_id = user_id
        self._position = position
        self._request = request
        self._limit = limit
        self._on_page = on_page
        self._page: asyncio.Task[LogPage] | None = None
        self._failures = 0
        self._retry_at = 0.0

    def is_due(self, now: float) -> bool:
        """Return whether a page has been read, or may be requested."""
        return now >= self._retry_at if self._page is None else self._page.done()

    @property
    def due_at(self) -> float:
        """When a page may be requested, by the loop's clock; infinite while one is being read."""
        return self._retry_at if self._page is None else float("inf")

    def request_page(self, up_to: int) -> None:
        """Start reading the next page on the way to a position."""
        self._page = asyncio.create_task(self._read(up_to))
        self._page.add_done_callback(self._page_done)

    def take_page(self, now: float) -> LogPage | None:
        """Return the page that was read; None if there is none, or if reading it failed.

        Raises:
            CursorExpired: the log was compacted while it was read from this position, so what is left of it
                no longer folds onto what was sent.
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
        self._retry_at = now + timing.backoff_seconds(self._failures)
        logger.warning("Stream %s could not read its backlog and tries again: %s", self._key, error)
        return None

    def cancel(self) -> None:
        """Cancel the read that is under way."""
        if self._page is not None:
            self._page.cancel()
            self._page = None

    def _page_done(self, page: asyncio.Task[LogPage]) -> None:
        if not page.cancelled():
            # Retrieved here too, because a page that nobody takes must not be reported as unhandled.
            page.exception()
        self._on_page()

    async def _read(self, up_to: int) -> LogPage:
        config, position = hub_config(), self._position
        async with self._limit.acquire():
            return await in_database_thread(
                read_log_page,
                self._user_id,
                position.next_range(up_to),
                epoch=position.epoch,
                filters=self._request.filters,
                form=self._request.form,
                max_rows=config.max_backlog_page,
                max_bytes=config.max_queue_bytes,
                floor=position.floor,
            )
