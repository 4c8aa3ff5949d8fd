"""The decisions of one connection: where to resume, what to send, when to read the log again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from notifications.protocol.cursors import Cursor
from notifications.streaming.connection import log_position as module
from notifications.streaming.connection.log_position import (
    EARLIEST,
    MAX_RANGE_LENGTH,
    LogPosition,
    LogRange,
    ResumePlan,
    Verdict,
)

pytestmark = pytest.mark.shape("embedded")

EPOCH = "abcdefgh"
OTHER = "zzzzzzzz"


def plan(given: str | None, *, max_exact: int = 1_000, max_backlog: int = 0, **inbox: Any) -> ResumePlan:
    return module.plan_resume(given, max_exact=max_exact, max_backlog=max_backlog, **inbox)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        (None, ResumePlan("none", 9)),
        (EARLIEST, ResumePlan("compacted", 0)),
        (f"{EPOCH}-9", ResumePlan("exact", 9)),
        (f"{EPOCH}-4", ResumePlan("exact", 4)),
        (f"{EPOCH}-3", ResumePlan("reset", 9, "expired")),
        (f"{EPOCH}-10", ResumePlan("reset", 9, "ahead")),
        (f"{EPOCH}-9999999999999999", ResumePlan("reset", 9, "ahead")),
        (f"{OTHER}-5", ResumePlan("reset", 9, "epoch")),
        ("", ResumePlan("reset", 9, "malformed")),
        ("5", ResumePlan("reset", 9, "malformed")),
        (f"{EPOCH}-05", ResumePlan("reset", 9, "malformed")),
        (f"{EPOCH}-5 ", ResumePlan("reset", 9, "malformed")),
        (f"{EPOCH}-5\n", ResumePlan("reset", 9, "malformed")),
        (f"{EPOCH}-٣", ResumePlan("reset", 9, "malformed")),
        (f"{EPOCH.upper()}-5", ResumePlan("reset", 9, "malformed")),
        ("Earliest", ResumePlan("reset", 9, "malformed")),
    ],
)
def test_plan__what_the_client_sent__decides(given_text: str | None, expected: ResumePlan) -> None:
    assert plan(given_text, epoch=EPOCH, floor=4, head=9) == expected


def test_plan__earliest_of_a_whole_log__is_exact() -> None:
    assert plan(EARLIEST, epoch=EPOCH, floor=0, head=9) == ResumePlan("exact", 0)


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (30, ResumePlan("exact", 30)),
        (29, ResumePlan("compacted", 29, compacted_to=33)),
        (23, ResumePlan("compacted", 23, compacted_to=33)),
        (22, ResumePlan("reset", 33, "too_far")),
    ],
)
def test_plan__the_length_of_the_backlog__decides(position: int, expected: ResumePlan) -> None:
    cursor = str(Cursor(EPOCH, position))
    assert plan(cursor, epoch=EPOCH, floor=0, head=33, max_exact=3, max_backlog=10) == expected


def test_plan__earliest__is_never_too_far_and_without_a_limit_nothing_is() -> None:
    inbox: dict[str, Any] = {"epoch": EPOCH, "floor": 0, "head": 33, "max_exact": 3}
    assert plan(EARLIEST, max_backlog=10, **inbox) == ResumePlan("compacted", 0, compacted_to=33)
    assert plan(f"{EPOCH}-0", max_backlog=0, **inbox) == ResumePlan("compacted", 0, compacted_to=33)


def test_plan__earliest_with_a_base_state__compacts_what_lies_above_it_when_that_is_long() -> None:
    assert plan(EARLIEST, epoch=EPOCH, floor=30, head=33, max_exact=3) == ResumePlan("compacted", 0)
    assert plan(EARLIEST, epoch=EPOCH, floor=29, head=33, max_exact=3) == ResumePlan(
        "compacted", 0, compacted_to=33
    )


def test_plan__compacting_everything__leaves_a_client_that_missed_nothing_exact() -> None:
    assert plan(f"{EPOCH}-9", epoch=EPOCH, floor=0, head=9, max_exact=0) == ResumePlan("exact", 9)


@given(text=st.text(), floor=st.integers(0, 50), length=st.integers(0, 50))
def test_plan__any_text__one_plan_within_the_log(text: str, floor: int, length: int) -> None:
    made = plan(text, epoch=EPOCH, floor=floor, head=floor + length)
    assert made.resume == "reset"
    assert (made.reset, made.start) == ("malformed", floor + length)


@given(position=st.integers(0, 120), floor=st.integers(0, 50), length=st.integers(0, 50))
def test_plan__usable_exactly_from_floor_to_head(position: int, floor: int, length: int) -> None:
    head = floor + length
    made = plan(str(Cursor(EPOCH, position)), epoch=EPOCH, floor=floor, head=head)
    usable = floor <= position <= head
    assert (made.resume == "exact") is usable
    assert made.start == (position if usable else head)


def test_offer__next__is_sent_once() -> None:
    place = LogPosition(EPOCH, 3)
    assert [place.offer(position) for position in (4, 4, 3, 6, 5)] == [
        Verdict.SEND,
        Verdict.DROP,
        Verdict.DROP,
        Verdict.GAP,
        Verdict.SEND,
    ]


def test_fall_back__forgets_what_was_only_queued() -> None:
    place = LogPosition(EPOCH, 3)
    assert place.go_live(3)
    place.offer(4)
    place.mark_written()
    place.offer(5)
    place.fall_back()
    assert (place.considered, place.is_live, place.cursor) == (4, False, f"{EPOCH}-4")


def test_go_live__others_are_ahead__refused() -> None:
    place = LogPosition(EPOCH, 3)
    assert not place.go_live(4)
    place.read_up_to(4)
    assert place.go_live(4)


@given(
    start=st.integers(0, 9_000),
    length=st.integers(0, 9_000),
    later=st.integers(0, 9_000),
    floor=st.integers(0, 9_000),
    rows=st.integers(1, 3_000),
)
def test_next_stretch__one_after_the_other__are_the_log_and_only_its_planned_part_is_compacted(
    start: int, length: int, later: int, floor: int, rows: int
) -> None:
    planned = start + length
    place = LogPosition(EPOCH, start, floor=min(floor, planned), compacted_to=planned)
    while place.considered < planned + later:
        log_range = place.next_range(planned + later)
        assert log_range.after == place.considered < log_range.up_to <= planned + later
        assert log_range.compacted_to == (planned if log_range.after < planned else 0)
        assert not log_range.after < planned < log_range.up_to
        assert log_range.up_to - log_range.after <= MAX_RANGE_LENGTH or log_range.up_to <= place.floor
        place.read_up_to(min(log_range.up_to, log_range.after + rows))


def test_next_stretch__positions_were_reused__is_exact() -> None:
    place = LogPosition(EPOCH, 3, floor=9, compacted_to=20)
    place.restart(OTHER, 5)
    assert place.next_range(12) == LogRange(5, 12, 0)


class OneStream(RuleBasedStateMachine):
    """A log that grows, a fan-out that offers it, and one connection with a bounded queue whose reader may be
    slow.

    What a client holds at the end must be the log, from its start cursor on, without a gap or a repetition.
    """

    @initialize(head=st.integers(0, 5), start=st.integers(0, 5))
    def begin(self, head: int, start: int) -> None:
        self.head = head
        self.shared = head
        self.start = min(start, head)
        self.place = LogPosition(EPOCH, self.start)
        self.queue: list[int] = []
        self.received: list[int] = []

    @rule(count=st.integers(1, 4))
    def commit(self, count: int) -> None:
        self.head += count

    @rule(count=st.integers(1, 4))
    def fan_out(self, count: int) -> None:
        for position in range(self.shared + 1, min(self.head, self.shared + count) + 1):
            self.shared = position
            self.offer(position)

    @precondition(lambda self: self.shared > 0)
    @rule(back=st.integers(0, 3))
    def repeat(self, back: int) -> None:
        self.offer(max(1, self.shared - back))

    @rule(skip=st.integers(1, 3))
    def lose_offers(self, skip: int) -> None:
        self.shared = min(self.head, self.shared + skip)

    def offer(self, position: int) -> None:
        if not self.place.is_live:
            return
        verdict = self.place.offer(position)
        if verdict is Verdict.SEND and len(self.queue) < 2:
            self.queue.append(position)
        elif verdict is not Verdict.DROP:
            self.queue.clear()
            self.place.fall_back()

    @rule()
    def flush(self) -> None:
        if self.place.is_live:
            self.received += self.queue
            self.queue = []
            self.place.mark_written()

    @rule(rows=st.integers(1, 3))
    def catch_up(self, rows: int) -> None:
        if self.place.is_live:
            return
        page = range(self.place.considered + 1, min(self.head, self.place.considered + rows) + 1)
        if page:
            self.received += page
            self.place.read_up_to(page[-1])
        else:
            self.place.go_live(self.shared)

    @invariant()
    def what_came_is_the_log_without_gap_or_repetition(self) -> None:
        if hasattr(self, "place"):
            assert self.received == list(range(self.start + 1, self.start + 1 + len(self.received)))
            assert self.place.written == self.start + len(self.received)

    def teardown(self) -> None:
        if not hasattr(self, "place"):
            return
        while self.received[-1:] != [self.head] and self.start + len(self.received) < self.head:
            self.shared = max(self.shared, self.place.considered)
            self.flush()
            if self.place.is_live:
                self.offer(self.head)
            self.catch_up(3)
        assert self.received == list(range(self.start + 1, self.head + 1))


TestOneStream = OneStream.TestCase
