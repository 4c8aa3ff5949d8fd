"""The time of a replay: when each change is due, as fast as is wanted and with long pauses shortened.
Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

SPEEDS: Final = (1, 10, 60)
# Of the time that the watcher waits; a pause that would take longer is shortened to this, and they are told.
MAX_PAUSE_SECONDS: Final = 3.0


class Pause(NamedTuple):
    """What comes before a change.

    Attributes:
        seconds: to wait.
        skipped_seconds: how long nothing happened, where the wait is shorter than the speed asks for; None
            where it is not.
    """

    seconds: float
    skipped_seconds: float | None = None


class ReplayPace:
    """One replay.

    Args:
        speed: how many times as fast as it happened.
        since: the time of the change before the first one; None when there is none, and then the first comes
            at once.
    """

    def __init__(self, speed: int, since: datetime | None) -> None:
        self._speed = speed
        self._at = since

    def pause_before(self, at: datetime) -> Pause:
        """How long to wait for a change after the one before it; ``at`` never goes back within a log."""
        gap_seconds = (at - self._at).total_seconds() if self._at is not None else 0.0
        self._at = at
        seconds = max(gap_seconds, 0.0) / self._speed
        return Pause(MAX_PAUSE_SECONDS, gap_seconds) if seconds > MAX_PAUSE_SECONDS else Pause(seconds)
