"""Limits how many do the same work at once; the others wait in a queue of bounded length."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class QueueFull(Exception):
    """As many are waiting already as may wait; the caller should try again later."""


class ConcurrencyLimit:
    """An ``asyncio.Semaphore`` with a bounded queue, served in the order of arrival.

    Args:
        max_active: how many may do the work at once.
        max_waiting: how many may wait; None where something else bounds them.

    Attributes:
        waiting_count: how many are waiting.
    """

    def __init__(self, max_active: int, *, max_waiting: int | None = None) -> None:
        self._semaphore = asyncio.Semaphore(max_active)
        self._max_waiting = max_waiting
        self.waiting_count = 0

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for permission to do the work, and hold it for the block.

        Raises:
            QueueFull: too many are waiting.
        """
        is_full = self._max_waiting is not None and self.waiting_count >= self._max_waiting
        if is_full and self._semaphore.locked():
            raise QueueFull
        self.waiting_count += 1
        try:
            await self._semaphore.acquire()
        finally:
            self.waiting_count -= 1
        try:
            yield
        finally:
            self._semaphore.release()
