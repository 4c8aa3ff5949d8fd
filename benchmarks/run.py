"""What a scenario is given: how much to do, and the bare write to compare with."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchmarks.baseline import BareServer
from benchmarks.machine import MICRO

FRAME_BYTES = 300
CONNECTIONS = 1_000
EVENTS = 100
PER_SECOND = 20
# Files that the hub itself needs, beside its connections.
SPARE_FILES = 200


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        is_short: show that everything works, not how fast it is.
        open_files: how many the system allows a process.
    """

    is_short: bool
    open_files: int

    def size(self, full: int, short: int) -> int:
        """How much to do."""
        return short if self.is_short else full

    @property
    def connections(self) -> int:
        """How many users are connected where nothing else is said."""
        return self.size(CONNECTIONS, 100)

    @property
    def events(self) -> int:
        """How many events each of them gets."""
        return self.size(EVENTS, 20)

    def connections_up_to(self, wanted: int) -> int:
        """As many connections as are wanted, or as the system's limit of open files allows."""
        return min(self.size(wanted, 200), self.open_files - SPARE_FILES)

    def bare_write(self, size: int = FRAME_BYTES) -> float:
        """Microseconds of CPU for a bare write of so many bytes to one of ``connections``: the median of
        three.
        """
        with BareServer(self.connections) as server:
            return MICRO * statistics.median(
                server.seconds_per_write(count=self.events // 2, per_second=PER_SECOND, size=size)
                for _ in range(3)
            )
