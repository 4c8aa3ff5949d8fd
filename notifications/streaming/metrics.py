"""What this process has done for its streams, counted: plain numbers, cheap enough for every write.

``notifications.ops.prometheus`` shows them. A counter of prometheus_client takes a lock and some 0.5 µs each
time; a write to a socket takes 7.5. Each number is counted by one thread, so none needs a lock, but for those
that say so.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Self

# Seconds. I10 asks for 0.25 with hints, and 8 with every hint lost.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 8.0, 30.0)


class Histogram:
    """How many durations fell between which bounds.

    Attributes:
        counts: for each bound of ``BUCKETS`` those at or below it and above the one before, then those above
            all.
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

    def as_counts(self) -> dict[str, Any]:
        """As a tree of numbers."""
        return {"counts": list(self.counts), "total": self.total}


class Metrics:
    """All numbers of one process.

    Attributes:
        opened: streams by how they began (``resume`` of ``stream.open``).
        closed: streams by the reason of ``stream.close``; ``client`` went by itself, ``backlog`` wanted no
            more than that.
        refused: requests for a stream that got none, by the problem's code; ``gone`` left while it waited in
            line.
        frames, bytes: written to open streams.
        overflows: queues that were full, so that their connection read the log again.
        refused_messages: messages of the channel layer that were dropped, by why: ``foreign``, ``broken`` or
            ``too_large``.
        repairs: inboxes that a regular look at the heads found behind: their hint was lost, or has not come
            yet.
        notifications: those that were to be listed, by what came of them: ``sequenced`` or ``failed``. Any
            thread, by ``sequenced``.
        hints: hints that were to be sent, by what came of them: ``sent`` or ``dropped``.
        transient_messages: the same of transient events, each as often as the groups that it went to.
        transient_frames: transient events that were to be shown on one connection: ``written``, or
            ``dropped`` because its queue was full, it was not live yet, or the changes before it did not come
            in time.
        fan_out: from a change to its being read for the connections of its user.
        write: from a change to the socket, of the oldest change of each write to a live stream.
    """

    __slots__ = (
        "bytes",
        "closed",
        "fan_out",
        "frames",
        "hints",
        "notifications",
        "opened",
        "overflows",
        "refused",
        "refused_messages",
        "repairs",
        "transient_frames",
        "transient_messages",
        "write",
    )

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.refused_messages: Counter[str] = Counter()
        self.hints: Counter[str] = Counter()
        self.notifications: Counter[str] = Counter()
        self.transient_messages: Counter[str] = Counter()
        self.transient_frames: Counter[str] = Counter()
        self.frames = self.bytes = self.overflows = self.repairs = 0
        self.fan_out, self.write = Histogram(), Histogram()

    @property
    def open_count(self) -> int:
        """Streams that are open now."""
        return self.opened.total() - self.closed.total()

    def count_sequenced(self, *, count: int, failed_count: int) -> None:
        """Count notifications that were given a position, and those that could not be. Any thread."""
        with _sequencing:
            self.notifications["sequenced"] += count
            self.notifications["failed"] += failed_count

    def as_counts(self) -> dict[str, Any]:
        """As a tree of numbers, to be added to those of other processes."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> Self:
        """The other way round. What this version does not count is left out, what only it counts is zero."""
        metrics = cls()
        for name in set(cls.__slots__) & set(counts):
            found: Any = counts[name]
            match getattr(metrics, name):
                case Counter() as counter:
                    counter.update(found)
                case Histogram() as durations:
                    durations.counts, durations.total = list(found["counts"]), found["total"]
                case _:
                    setattr(metrics, name, found)
        return metrics


def _plain(value: Any) -> Any:
    return (
        value.as_counts()
        if isinstance(value, Histogram)
        else dict(value)
        if isinstance(value, Counter)
        else value
    )


_sequencing: Final = threading.Lock()
METRICS: Final = Metrics()
