"""Counters of what this process does for its streams: plain numbers, cheap enough for every write.

``notifications.ops.prometheus`` exports them. A counter of prometheus_client takes a lock and some 0.5 µs
each time, where a write to a socket takes 7.5. Each number is counted by one thread, so it needs no lock; the
exceptions say so.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Self

# In seconds. I10 promises 0.25 with hints, and 8 with every hint lost.
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 8.0, 30.0)


class Histogram:
    """A histogram of durations.

    Attributes:
        counts: for each bound of ``BUCKETS`` the durations up to it and above the one before; the last number
            counts those above all bounds.
        total: the sum of all durations, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration. A negative one, from clocks that differ, counts as 0."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def as_counts(self) -> dict[str, Any]:
        """Return the histogram as a tree of numbers."""
        return {"counts": list(self.counts), "total": self.total}


class Metrics:
    """All numbers of one process.

    Attributes:
        opened: streams by how they began: ``resume`` in ``stream.open``.
        closed: streams by the reason in ``stream.close``; ``client`` if the client disconnected by itself,
            ``backlog`` if it wanted nothing but the backlog.
        refused: refused requests for a stream, by the problem's code; ``gone`` if the client disconnected
            while it waited.
        frames, bytes: written to open streams.
        overflows: send queues that were full, so that their connection read the log again.
        refused_messages: messages of the channel layer that were dropped, by reason: ``foreign``, ``broken``
            or ``too_large``.
        repairs: inboxes that a regular reconciliation found behind, because their hint was lost or late.
        notifications: staged notifications by outcome: ``sequenced`` or ``failed``. Counted in any thread, by
            ``count_sequenced``.
        hints: hints by outcome: ``sent`` or ``dropped``.
        transient_messages: transient events by outcome: ``sent`` or ``dropped``. One event counts once for
            each group that it goes to.
        transient_frames: transient events offered to one connection, by outcome: ``written``, or ``dropped``
            because its queue was full, it was not live yet, or the changes before the event came too late.
        fan_out: the time from a change until it was read for its user's connections.
        write: the time from a change until it was written, for the oldest change of each write to a live
            stream.
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
        """The number of streams that are open now."""
        return self.opened.total() - self.closed.total()

    def count_sequenced(self, *, count: int, failed_count: int) -> None:
        """Count notifications that got a position, and those that could not get one. Safe in any thread."""
        with _sequencing:
            self.notifications["sequenced"] += count
            self.notifications["failed"] += failed_count

    def as_counts(self) -> dict[str, Any]:
        """Return the numbers as a tree, which can be added to those of other processes."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> Self:
        """Build the metrics from a tree of numbers.

        A number that this version does not know is left out; one that the tree does not have is zero.
        """
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
