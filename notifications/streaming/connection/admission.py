"""A few work at once, the others wait in line: first come, first served, and the line has an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class LineFull(Exception):
    """So many wait already that another one had better come back later."""


class Turns:
    """An ``asyncio.Semaphore`` whose line is bounded.

    Args:
        at_once: how many have their turn.
        max_waiting: how many may wait for theirs; None where something else bounds them.

    Attributes:
        waiting_count: how many stand in line.
    """

    def __init__(self, at_once: int, *, max_waiting: int | None = None) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._max_waiting = max_waiting
        self.waiting_count = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for a block of code.

        Raises:
            LineFull: the line is.
        """
        is_full = self._max_waiting is not None and self.waiting_count >= self._max_waiting
        if is_full and self._places.locked():
            raise LineFull
        self.waiting_count += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting_count -= 1
        try:
            yield
        finally:
            self._places.release()
