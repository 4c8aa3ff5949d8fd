"""A few work at once, the others wait in line: first come, first served, and the line has an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class LineFull(Exception):
    """So many wait already that another one had better come back later."""


class Turns:
    """Bounds how many do something at once, on one event loop.

    Args:
        at_once: how many have their turn.
        max_waiting: how many may wait for theirs; None where something else bounds them.
    """

    def __init__(self, at_once: int, *, max_waiting: int | None = None) -> None:
        self._free_count = at_once
        self._max_waiting = max_waiting
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting_count(self) -> int:
        """How many stand in line."""
        return len(self._line)

    def line_up(self) -> asyncio.Future[None]:
        """A turn, done when it has come, which may be at once. It must be given back by ``leave``, come or not.

        Raises:
            LineFull: the line is.
        """
        turn = asyncio.get_running_loop().create_future()
        if self._free_count:  # then nobody waits: a turn that ends goes to the line first
            self._free_count -= 1
            turn.set_result(None)
        elif self._max_waiting is not None and len(self._line) >= self._max_waiting:
            raise LineFull
        else:
            self._line.append(turn)
        return turn

    def leave(self, turn: asyncio.Future[None]) -> None:
        """End a turn, or the wait for it."""
        if not turn.done() or turn.cancelled():
            turn.cancel()
            with contextlib.suppress(ValueError):
                self._line.remove(turn)
        else:
            self._pass_on()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for a block of code. Raises ``LineFull``."""
        turn = self.line_up()
        try:
            await turn
            yield
        finally:
            self.leave(turn)

    def _pass_on(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():  # by having been cancelled in this very moment
                turn.set_result(None)
                return
        self._free_count += 1
