"""How the log of a run is, as a row has it, and what that admits. Pure; the scripts of Redis say the same."""

from __future__ import annotations

from dataclasses import dataclass

from notifications.protocol.cursors import cursor_text
from notifications.run_log.answers import (
    Appended,
    LogLimits,
    RunFinished,
    RunLeaseLost,
    RunLogLost,
    RunOutOfStep,
    StoredRequest,
)


@dataclass
class LogState:
    """How the log of a run is.

    Attributes:
        run, epoch, number: the run's id, the log's epoch, and the newest number.
        lease: the hash of the lease.
        expires_at: when the log is removed.
        kept_from: the number of the oldest event that is kept.
        total, total_cut: the bytes of all events, and of those that were removed.
        request_after, request_digest, request_number: the newest request that appended something, and the
            number that it was answered with.
        is_cancel_requested: the producer is asked to stop.
        is_lost: events that were acknowledged are missing.
        end_kind, end_number: the end event; empty and 0 while the run goes on.
        snapshot_number: that of the stored snapshot; 0 where there is none.
    """

    run: str
    epoch: str
    number: int
    lease: str
    expires_at: int
    kept_from: int = 1
    total: int = 0
    total_cut: int = 0
    request_after: int = -1
    request_digest: str = ""
    request_number: int = 0
    is_cancel_requested: int = 0
    is_lost: int = 0
    end_kind: str = ""
    end_number: int = 0
    snapshot_number: int = 0

    def check_step(self, after: int) -> None:
        """Refuse what does not follow the newest event.

        Raises:
            RunOutOfStep, RunLogLost: it does not. The latter is remembered.
        """
        if after > self.number:
            self.is_lost = 1
        if self.is_lost:
            raise RunLogLost(self.number)
        if after < self.number:
            raise RunOutOfStep(self.number)

    def check_running(self) -> None:
        """Refuse what comes after the end.

        Raises:
            RunFinished: the run has ended.
        """
        if self.end_kind:
            raise RunFinished("the run has ended")

    def check_lease(self, lease: str) -> None:
        """Refuse another producer.

        Raises:
            RunLeaseLost: the lease is another one.
        """
        if lease != self.lease:
            raise RunLeaseLost("the lease is another producer's")

    def is_repeated(self, request: StoredRequest) -> bool:
        """Whether a request is the newest one, sent again."""
        newest = (self.request_after, self.request_digest)
        return bool(request.entries) and (request.after, request.digest) == newest

    def answer(self, number: int, *, is_full: bool = False) -> Appended:
        """The answer to an append that reached a number."""
        cursor = cursor_text(self.epoch, number)
        return Appended(number, cursor, bool(self.is_cancel_requested), is_full)

    def is_full(self, limits: LogLimits) -> bool:
        """Whether the log is to be trimmed."""
        kept_events, kept_bytes = self.number - self.kept_from + 1, self.total - self.total_cut
        return kept_events > limits.max_events or kept_bytes > limits.max_bytes
