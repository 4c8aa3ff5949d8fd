"""Which ids were read: each once, whatever the order in which transactions commit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming.staff import id_gaps as module
from notifications.streaming.staff.id_gaps import IdGaps

pytestmark = pytest.mark.shape("embedded")

# Transactions that take ids in turns: which one takes each id, when each of them ends, and whether it
# commits.
TAKERS = st.lists(st.integers(0, 4), min_size=1, max_size=30)
ENDINGS = st.lists(
    st.tuples(st.integers(0, 4), st.booleans()), max_size=5, unique_by=lambda ending: ending[0]
)


@given(TAKERS, ENDINGS, st.integers(0, 3))
def test_gaps__transactions_that_commit_in_any_order__show_each_committed_id_once(
    takers: list[int], endings: list[tuple[int, bool]], looks_between: int
) -> None:
    """The database as a list of who took each id; a transaction's number is one of its own, given before its
    first id.
    """
    gaps, shown = IdGaps(0), []
    numbers = {taker: 100 + taker for taker in range(5)}
    committed: set[int] = set()
    running = set(range(5))

    def look() -> None:
        visible = [id_ for id_, taker in enumerate(takers, start=1) if taker in committed]
        fresh = [id_ for id_ in visible if id_ > gaps.high]
        gaps.add_new(fresh)
        horizon = min((numbers[taker] for taker in running), default=1_000)
        late = [id_ for id_ in visible if any(first <= id_ <= last for first, last in gaps.spans)]
        gaps.fill(late)
        gaps.settle(horizon)
        if gaps.has_unmarked:
            gaps.mark(200)
        shown.extend(sorted(fresh + late))

    for taker, commits in endings:
        running.discard(taker)
        if commits:
            committed.add(taker)
        for _ in range(looks_between):
            look()
    look()
    assert sorted(shown) == [id_ for id_, taker in enumerate(takers, start=1) if taker in committed]
    running.clear()
    look()
    look()
    assert gaps.spans == []
    assert gaps.low == gaps.high


def test_gaps__too_many__give_up_the_lowest_and_say_so() -> None:
    gaps = IdGaps(0)
    gaps.add_new(range(3, 3 * module.MAX_GAPS + 4, 3))
    assert len(gaps.spans) == module.MAX_GAPS
    assert gaps.given_up_count == 2
    assert gaps.low == 3


def test_gaps__skipped__count_what_may_have_been_passed_over() -> None:
    gaps = IdGaps(10)
    gaps.add_new([12, 15])
    assert gaps.skip_to(20) == 5 + 3
    assert (gaps.low, gaps.high, gaps.spans) == (20, 20, [])
