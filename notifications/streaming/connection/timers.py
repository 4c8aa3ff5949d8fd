"""When sleeping connections are due next: one timer for all of them, ten times a second at most.

A timer for each would take half a kilobyte, and the loop would wake for each of them by itself, which takes
longer than a heartbeat.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from typing import Final, Protocol

BEAT_SECONDS: Final = 0.1  # so late may be what is due


class Sleeper(Protocol):
    """What is due at some time.

    Attributes:
        beat: at which it is; 0 when at none. The pulse's own.
    """

    beat: int

    def due(self) -> None:
        """The time has come. It may go to sleep again."""


class Pulse:
    """The sleepers of one event loop, by the beat at which they are due."""

    def __init__(self) -> None:
        self._sleepers: dict[int, set[Sleeper]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, when: float, sleeper: Sleeper) -> None:
        """Call a sleeper at a time of the loop's clock, or at the earlier one for which it was asked before.

        It is never put off, so that a write costs nothing: it may be called for nothing.
        """
        beat = math.ceil(when / BEAT_SECONDS)
        if not sleeper.beat or beat < sleeper.beat:
            self.forget(sleeper)
            sleeper.beat = beat
            self._sleepers.setdefault(beat, set()).add(sleeper)
            self._run()

    def forget(self, sleeper: Sleeper) -> None:
        """Do not call it any more."""
        self._sleepers.get(sleeper.beat, set()).discard(sleeper)
        sleeper.beat = 0

    def _run(self) -> None:
        if self._timer is None and self._sleepers:
            # For everybody, so in nobody's name.
            later = asyncio.get_running_loop().call_later
            self._timer = later(BEAT_SECONDS, self._beat, context=contextvars.Context())

    def _beat(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time() / BEAT_SECONDS
        try:
            for beat in [beat for beat in self._sleepers if beat <= now]:
                while self._sleepers[beat]:
                    sleeper = self._sleepers[beat].pop()
                    sleeper.beat = 0
                    sleeper.due()
                del self._sleepers[beat]
        finally:
            self._run()
