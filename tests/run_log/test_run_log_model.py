"""Whatever is asked of a log, in whatever order, it answers as the reference does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from notifications.run_log.answers import Entry, LogLimits, RunFinished, RunLogRefusal
from notifications.run_log.log import RunLog
from tests.run_log.places import COMPLETED, LEASE, STARTED, OpenLog, answer_of, request, said, text
from tests.run_log.reference import ReferenceLog

LIMITS = LogLimits(max_events=8, max_bytes=700, kept_seconds=600)
words = st.lists(st.text("aä\U0001f600\0", min_size=1, max_size=12), max_size=4).map(tuple)
# How far from the newest number; the right one is the most interesting.
away = st.sampled_from([0, 0, 0, 0, -1, -3, 1, 5])
leases = st.sampled_from([LEASE, LEASE, LEASE, LEASE, "another"])


def attempt(work: Callable[[], Any]) -> Any:
    """What comes of it, a refusal as a value."""
    try:
        return work()
    except RunLogRefusal as refusal:
        return refusal


def assert_same(found: Any, expected: int | RunLogRefusal) -> None:
    """The same number was reached, or the same was refused."""
    if isinstance(expected, RunLogRefusal):
        assert type(found) is type(expected)
        assert vars(found) == vars(expected)
    else:
        assert found.number == expected


class LogMachine(RuleBasedStateMachine):
    """One run at a time, told and read."""

    log: RunLog

    @initialize()
    def begin(self) -> None:
        self.run = str(uuid.uuid4())
        self.model = ReferenceLog(LIMITS, LEASE, ["abcdefgh"], Entry.of(STARTED).size)
        self.log.begin(self.run, LEASE, STARTED, epoch="abcdefgh")
        self.requests: list[tuple[str, int, tuple[str, ...]]] = []

    @rule(lease=leases, away=away, deltas=words)
    def append(self, lease: str, away: int, deltas: tuple[str, ...]) -> None:
        self._append(lease, max(self.model.number + away, 0), deltas)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def append_again(self, data: st.DataObject) -> None:
        self._append(*data.draw(st.sampled_from(self.requests[-3:])))

    @rule()
    def trim(self) -> None:
        assert self.log.trim(self.run) == self.model.trim()

    @rule(lease=leases, away=away)
    def begin_epoch(self, lease: str, away: int) -> None:
        folded = self.log.fold(self.run)
        folded.number = max(self.model.number + away, 1)
        found = attempt(lambda: self.log.begin_epoch(self.run, lease, folded))
        assert_same(found, self.model.begin_epoch(lease, folded.number))
        self._note_epoch(found)

    @rule(lease=st.sampled_from([LEASE, "another"]))
    def replace_lease(self, lease: str) -> None:
        found = attempt(lambda: self.log.replace_lease(self.run, lease))
        assert isinstance(found, RunFinished) == self.model.is_ended
        if not self.model.is_ended:
            self.model.lease = lease

    @rule()
    def request_cancel(self) -> None:
        found = attempt(lambda: self.log.request_cancel(self.run))
        assert isinstance(found, RunFinished) == self.model.is_ended
        self.model.is_cancelled = self.model.is_cancelled or not self.model.is_ended

    @rule(away=st.none() | away, is_meant=st.integers(0, 3))
    def end(self, away: int | None, is_meant: int) -> None:
        if is_meant:
            return
        after = None if away is None else max(self.model.number + away, 0)
        found = attempt(lambda: self.log.end(self.run, COMPLETED, after=after))
        assert_same(found, self.model.end(after, Entry.of(COMPLETED).size))
        self._note_epoch(found)

    @rule(data=st.data(), away=st.integers(-12, 2), max_events=st.integers(1, 12))
    def read(self, data: st.DataObject, away: int, max_events: int) -> None:
        epoch = data.draw(st.sampled_from(self.model.epochs[-2:]))
        number = max(self.model.number + away, 0)
        page = self.log.read(self.run, f"{epoch}-{number}", max_events=max_events)
        usable = self.model.is_usable(epoch, number)
        assert page.is_reset == (not usable)
        assert page.after == (number if usable else self.model.snapshot_number)
        assert (page.snapshot is not None) == (not usable and self.model.snapshot_number > 0)
        expected = self.model.after(page.after)[:max_events]
        assert [event.number for event in page.events] == [event[0] for event in expected]
        assert said(page) == "".join(event[1] for event in expected)

    @invariant()
    def is_as_the_reference(self) -> None:
        page = self.log.read(self.run, None)
        assert (page.number, page.kept_from) == (self.model.number, self.model.kept_from)
        assert page.epoch == self.model.epochs[-1]
        assert bool(page.end_kind) == self.model.is_ended
        assert page.is_cancel_requested == self.model.is_cancelled
        assert answer_of(self.log, self.run) == self.model.words

    def _append(self, lease: str, after: int, deltas: tuple[str, ...]) -> None:
        [found] = self.log.append_many([request(self.run, after, *deltas, lease=lease)])
        sizes = [Entry.of(text(delta)).size for delta in deltas]
        assert_same(found, self.model.append(lease, after, deltas, sizes))
        self.requests.append((lease, after, deltas))

    def _note_epoch(self, found: Any) -> None:
        if not isinstance(found, RunLogRefusal):
            epoch = found.cursor.partition("-")[0]
            if epoch != self.model.epochs[-1]:
                self.model.epochs.append(epoch)


def test_log__whatever_is_asked_of_it__answers_as_the_reference(open_log: OpenLog) -> None:
    machine = type("MachineOfOnePlace", (LogMachine,), {"log": open_log(limits=LIMITS)})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=30))
