"""What the log of a run does, written a second time: in memory, one run, everything ever told."""

from __future__ import annotations

from dataclasses import dataclass, field

from notifications.run_log.answers import (
    LogLimits,
    RunFinished,
    RunLeaseLost,
    RunLogLost,
    RunLogRefusal,
    RunOutOfStep,
)


@dataclass
class ReferenceLog:
    """A run's log. Events are (number, words, size); what is refused is returned as a value.

    Attributes:
        epochs: the epochs so far, the newest last.
        words: of the whole run, for whoever comes late.
    """

    limits: LogLimits
    lease: str
    epochs: list[str]
    first_size: int
    number: int = 1
    kept: list[tuple[int, str, int]] = field(default_factory=list)
    snapshot_number: int = 0
    words: str = ""
    newest_request: tuple[int, tuple[str, ...], int] | None = None
    is_cancelled: bool = False
    is_lost: bool = False
    is_ended: bool = False

    def __post_init__(self) -> None:
        self.kept.append((1, "", self.first_size))

    @property
    def kept_from(self) -> int:
        return self.kept[0][0] if self.kept else self.number + 1

    def append(
        self, lease: str, after: int, deltas: tuple[str, ...], sizes: list[int]
    ) -> int | RunLogRefusal:
        if lease != self.lease:
            return RunLeaseLost()
        if deltas and self.newest_request and self.newest_request[:2] == (after, deltas):
            return self.newest_request[2]
        if self.is_ended:
            return RunFinished()
        if deltas and after > self.number:
            self.is_lost = True
        if self.is_lost:
            return RunLogLost(self.number)
        if deltas and after < self.number:
            return RunOutOfStep(self.number)
        for delta, size in zip(deltas, sizes, strict=True):
            self._add(delta, size)
        if deltas:
            self.newest_request = (after, deltas, self.number)
        if len(self.kept) > self.limits.max_events or self._kept_bytes > self.limits.max_bytes:
            self.trim()
        return self.number

    def trim(self) -> bool:
        if self.snapshot_number == self.number:
            return False
        self.snapshot_number = self.number
        while len(self.kept) > self.limits.max_events // 2 or self._kept_bytes > self.limits.max_bytes // 2:
            self.kept.pop(0)
        return True

    def begin_epoch(self, lease: str, number: int) -> int | RunLogRefusal:
        if lease != self.lease:
            return RunLeaseLost()
        if self.is_ended:
            return RunFinished()
        if number < self.number:
            return RunOutOfStep(self.number)
        self.number = self.snapshot_number = number
        self.kept, self.newest_request, self.is_lost = [], None, False
        return number

    def end(self, after: int | None, size: int) -> int | RunLogRefusal:
        if self.is_ended:
            return self.number
        if after is not None:
            if after > self.number:
                self.is_lost = True
            if self.is_lost:
                return RunLogLost(self.number)
            if after < self.number:
                return RunOutOfStep(self.number)
        self.is_lost = False
        self._add("", size)
        self.is_ended = True
        return self.number

    def is_usable(self, epoch: str, number: int) -> bool:
        return epoch == self.epochs[-1] and self.kept_from - 1 <= number <= self.number

    def after(self, number: int) -> list[tuple[int, str, int]]:
        return [event for event in self.kept if event[0] > number]

    def _add(self, delta: str, size: int) -> None:
        self.number += 1
        self.words += delta
        self.kept.append((self.number, delta, size))

    @property
    def _kept_bytes(self) -> int:
        return sum(size for _, _, size in self.kept)
