"""What this process has done for its streams, counted: plain numbers, cheap enough for every write.

``notifications.ops.prometheus`` shows them. A counter of prometheus_client takes a lock and some 0.5 µs each time; a write to a
socket takes 7.5. Each number is counted by one thread, so none needs a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

# Seconds. I10 asks for 0.25 with hints, and 8 with every hint lost.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 8.0, 30.0)


class Durations:
    """How many durations fell between which bounds.

    Attributes:
        counts: for each bound of ``BUCKETS`` those at or below it and above the one before, then those above all.
        total: their sum, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one; a clock that is behind another one's makes it 0."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Metrics:
    """All numbers of one process.

    Attributes:
        opened: streams by how they began (``resume`` of ``stream.open``).
        closed: streams by the reason of ``stream.close``; ``client`` went by itself, ``backlog`` wanted no more than that.
        refused: requests for a stream that got none, by the problem's code; ``gone`` left while it waited in line.
        frames, bytes: written to open streams.
        overflows: queues that were full, so that their connection read the log again.
        repairs: inboxes that a regular look at the heads found behind: their hint was lost, or has not come yet.
        hints: hints that were to be sent, by what came of them: ``sent`` or ``dropped``.
        transient_messages: the same of transient events, each as often as the groups that it went to.
        transient_frames: transient events that were to be shown on one connection: ``written``, or ``dropped`` because its queue was
            full, it was not live yet, or the changes before it did not come in time.
        fan_out: from a change to its being read for the connections of its user.
        write: from a change to the socket, of the oldest change of each write to a live stream.
    """

    __slots__ = (
        "bytes",
        "closed",
        "fan_out",
        "frames",
        "hints",
        "opened",
        "overflows",
        "refused",
        "repairs",
        "transient_frames",
        "transient_messages",
        "write",
    )

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.hints: Counter[str] = Counter()
        self.transient_messages: Counter[str] = Counter()
        self.transient_frames: Counter[str] = Counter()
        self.frames = self.bytes = self.overflows = self.repairs = 0
        self.fan_out, self.write = Durations(), Durations()

    @property
    def open_count(self) -> int:
        """Streams that are open now."""
        return self.opened.total() - self.closed.total()


METRICS: Final = Metrics()
