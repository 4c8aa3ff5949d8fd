"""What every store of logs can do. The stores differ in where a log is, and in nothing that is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from notifications.run_log.answers import (
    Appended,
    Ended,
    Entry,
    Page,
    RunLogRefusal,
    StoredRequest,
)


class Store(Protocol):
    """Keeps the logs of runs. Safe in any thread, and in a child of ``fork()``.

    Every method raises ``LogUnavailable`` when the store does not answer within its seconds, and then it is
    not known whether the call took effect. Leases are given as hashes. What a method does, it does in one
    step.
    """

    def begin(self, run: str, lease: str, epoch: str, first: Entry, max_seconds: float) -> Appended:
        """Begin a log with its first event; again with the same lease, say how the log is.

        Raises:
            RunLeaseLost: the run has a log, begun with another lease.
        """

    def append_many(self, requests: Sequence[StoredRequest]) -> list[Appended | RunLogRefusal]:
        """Append to several runs at once; each request has its own answer, in their order."""

    def read(self, run: str, epoch: str, after: int, max_events: int, max_bytes: int) -> Page:
        """Read the events after a number.

        Args:
            run: the run's id.
            epoch: that of the reader's cursor; empty for a reader who has seen nothing of any epoch.
            after: the number of the cursor; -1 for a reader who begins with the snapshot.
            max_events: how many events at most.
            max_bytes: how many bytes of events at most; one event is always given.

        Raises:
            RunLogLost: there is no log, or a part of it is missing.
        """

    def cut(self, run: str, epoch: str, number: int, snapshot: bytes) -> bool:
        """Store a snapshot and remove old events, down to half of the limits, but none after the snapshot.

        Returns:
            Whether it was done: not in another epoch, nor with a snapshot that is older than the stored one.
        """

    def begin_epoch(
        self, run: str, lease: str, epoch: str, number: int, snapshot: bytes, max_seconds: float
    ) -> Appended:
        """Begin the log anew at a number, with a snapshot and no events.

        A log that is missing is made. Whether the lease is the right one is then for the caller to know.

        Raises:
            RunLeaseLost, RunFinished: as of ``append_many``.
            RunOutOfStep: the log has newer events than the number.
        """

    def end(self, run: str, last: Entry, after: int | None, epoch: str) -> Ended:
        """Append the end event, unless there is one; the log expires from then on.

        Args:
            run: the run's id.
            last: the end event.
            after: the newest number that the caller knows; None to end the run wherever it is.
            epoch: the new epoch of a log that is known to have lost events.

        Raises:
            RunOutOfStep, RunLogLost: as of ``append_many``.
        """

    def request_cancel(self, run: str) -> None:
        """Note that the producer is asked to stop.

        Raises:
            RunLogLost: there is no log.
            RunFinished: the run has ended.
        """

    def replace_lease(self, run: str, lease: str) -> None:
        """Give the run to another producer; the one before is refused from now on.

        Raises:
            RunLogLost, RunFinished: as of ``request_cancel``.
        """

    def expire(self) -> int:
        """Remove logs whose time is over, a bounded number of them, and return how many.

        They are read by nobody before that.
        """

    def erase(self, run: str) -> None:
        """Remove everything of a run at once; of one without a log too."""

    def close(self) -> None:
        """Close the connections. The store may be used again."""
