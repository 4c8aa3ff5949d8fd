"""One timer for all connections of an event loop, which fires ten times a second at most.

A timer for each connection would take half a kilobyte, and the loop would wake for each of them separately,
which takes longer than writing a heartbeat.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from typing import Final, Protocol

TICK_SECONDS: Final = 0.1  # a callback may come this late


class Timed(Protocol):
    """A connection that is called at a time.

    Attributes:
        due_tick: the number of the tick at which it is called; 0 if no call is scheduled. Only the wheel
            changes it.
    """

    due_tick: int

    def on_due(self) -> None:
        """Do what is due. It may schedule the next call."""


class TimerWheel:
    """The scheduled calls of one event loop, grouped by the tick at which they are due."""

    def __init__(self) -> None:
        self._by_tick: dict[int, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def call_at(self, when: float, timed: Timed) -> None:
        """Call ``timed.on_due`` at a time of the loop's clock, or earlier if an earlier call is scheduled.

        A scheduled call is never postponed, so that a write costs nothing here. ``on_due`` may therefore be
        called before anything is due.
        """
        tick = math.ceil(when / TICK_SECONDS)
        if not timed.due_tick or tick < timed.due_tick:
            self.cancel(timed)
            timed.due_tick = tick
            self._by_tick.setdefault(tick, set()).add(timed)
            self._start_timer()

    def cancel(self, timed: Timed) -> None:
        """Cancel the scheduled call, if there is one."""
        self._by_tick.get(timed.due_tick, set()).discard(timed)
        timed.due_tick = 0

    def _start_timer(self) -> None:
        if self._timer is None and self._by_tick:
            # In an empty context: the timer serves all connections, and must not log in the name of one.
            later = asyncio.get_running_loop().call_later
            self._timer = later(TICK_SECONDS, self._call_due, context=contextvars.Context())

    def _call_due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time() / TICK_SECONDS
        try:
            for tick in [tick for tick in self._by_tick if tick <= now]:
                while self._by_tick[tick]:
                    timed = self._by_tick[tick].pop()
                    timed.due_tick = 0
                    timed.on_due()
                del self._by_tick[tick]
        finally:
            self._start_timer()
