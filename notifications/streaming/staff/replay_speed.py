"""The timing of a replay: how long to pause before each change, with long pauses shortened. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

SPEEDS: Final = (1, 10, 60)
# The longest pause for the watcher. A longer one is shortened to this, and the watcher is told.
MAX_PAUSE_SECONDS: Final = 3.0


class Pause(NamedTuple):
    """The pause before a change.

    Attributes:
        seconds: how long to wait.
        skipped_seconds: for how long nothing happened, if the pause was shortened; else None.
    """

    seconds: float
    skipped_seconds: float | None = None


class ReplayPace:
    """The pace of one replay.

    Args:
        speed: how many times as fast as the changes happened.
        since: the time of the change before the first one; None if there is none, so that the first change
            comes at once.
    """

    def __init__(self, speed: int, since: datetime | None) -> None:
        self._speed = speed
        self._at = since

    def pause_before(self, at: datetime) -> Pause:
        """Return the pause between the previous change and one at ``at``, which is never earlier."""
        gap_seconds = (at - self._at).total_seconds() if self._at is not None else 0.0
        self._at = at
        seconds = max(gap_seconds, 0.0) / self._speed
        return Pause(MAX_PAUSE_SECONDS, gap_seconds) if seconds > MAX_PAUSE_SECONDS else Pause(seconds)
