"""How often connections write: the first frame of a turn of the event loop at once, and what else comes in
that turn in one write at its end.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Final, Protocol

MAX_AT_ONCE: Final = 1_000  # connections in one turn: some 10 ms, after which everything else has its turn


class Flushed(Protocol):
    """What has something to write.

    Attributes:
        turn: that of its last write at once.
    """

    turn: int

    def flush(self) -> None:
        """Write what waits now, or have it written."""


class Flush:
    """The writes of one event loop's connections."""

    def __init__(self) -> None:
        self._turn = 1
        self._begun_count = 0
        self._waiting: list[Flushed] = []

    def admits(self, connection: Flushed) -> bool:
        """Whether a connection may write at once: it has not yet in this turn, and not too many others
        have.
        """
        if connection.turn == self._turn or self._begun_count >= MAX_AT_ONCE:
            return False
        self._begin()
        connection.turn = self._turn
        return True

    def soon(self, connection: Flushed) -> None:
        """Flush a connection after what the loop has to do already."""
        self._waiting.append(connection)
        self._begin()

    def _begin(self) -> None:
        self._begun_count += 1
        if self._begun_count == 1:
            # For everybody, so in nobody's name.
            asyncio.get_running_loop().call_soon(self._end, context=contextvars.Context())

    def _end(self) -> None:
        waiting = self._waiting[:MAX_AT_ONCE]
        del self._waiting[:MAX_AT_ONCE]
        self._turn += 1
        self._begun_count = 0
        if self._waiting:
            self._begin()
        for connection in waiting:
            connection.flush()
