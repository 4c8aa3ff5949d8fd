"""Has connections write what waits for them once for each turn of the event loop, so that what comes in one turn goes out in one write."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Final, Protocol

MAX_AT_ONCE: Final = 1_000  # connections in one turn: some 10 ms, after which everything else has its turn


class Flushed(Protocol):
    """What has something to write."""

    def flush(self) -> None:
        """Write it now, or have it written."""


class Flush:
    """The connections of one event loop for which something has begun to wait."""

    def __init__(self) -> None:
        self._waiting: list[Flushed] = []

    def soon(self, connection: Flushed) -> None:
        """Flush a connection after what the loop has to do already."""
        self._waiting.append(connection)
        if len(self._waiting) == 1:
            self._begin()

    def _begin(self) -> None:
        # For everybody, so in nobody's name.
        asyncio.get_running_loop().call_soon(self._flush, context=contextvars.Context())

    def _flush(self) -> None:
        waiting = self._waiting[:MAX_AT_ONCE]
        del self._waiting[:MAX_AT_ONCE]
        if self._waiting:
            self._begin()
        for connection in waiting:
            connection.flush()
