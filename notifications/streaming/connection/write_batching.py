"""Batches the writes of connections by iteration of the event loop.

The first frame for a connection in an iteration is written at once. Further frames of the same iteration are
written together at its end.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Final, Protocol

# Connections written to in one iteration. They take some 10 ms, and then everything else may run.
MAX_WRITES_PER_ITERATION: Final = 1_000


class Batched(Protocol):
    """A connection whose writes are batched.

    Attributes:
        last_iteration: the number of the iteration in which it was last written to at once.
    """

    last_iteration: int

    def flush(self) -> None:
        """Write what is queued now, or wake the task that will."""


class WriteBatcher:
    """Batches the writes of one event loop's connections."""

    def __init__(self) -> None:
        self._iteration = 1
        self._started_count = 0
        self._queued: list[Batched] = []

    def may_write_now(self, connection: Batched) -> bool:
        """Return whether a connection may write at once, and count the write if so.

        It may not if it has already done so in this iteration, or if too many others have.
        """
        if connection.last_iteration == self._iteration or self._started_count >= MAX_WRITES_PER_ITERATION:
            return False
        self._count_start()
        connection.last_iteration = self._iteration
        return True

    def flush_soon(self, connection: Batched) -> None:
        """Flush a connection after everything that the loop has scheduled already."""
        self._queued.append(connection)
        self._count_start()

    def _count_start(self) -> None:
        self._started_count += 1
        if self._started_count == 1:
            # In an empty context: the callback serves all connections, so nothing that it logs may carry the
            # request id of the one that happened to schedule it.
            asyncio.get_running_loop().call_soon(self._end_iteration, context=contextvars.Context())

    def _end_iteration(self) -> None:
        batch = self._queued[:MAX_WRITES_PER_ITERATION]
        del self._queued[:MAX_WRITES_PER_ITERATION]
        self._iteration += 1
        self._started_count = 0
        if self._queued:
            self._count_start()
        for connection in batch:
            connection.flush()
