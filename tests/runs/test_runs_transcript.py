"""The fold of a run: what each event does, and that a snapshot may stand for all that came before it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.runs.events import LoggedEvent, RunEvent
from notifications.runs.kinds import KINDS
from notifications.runs.run_object import RunObject, events_of
from notifications.runs.transcript import Transcript
from tests.runs.cases import AT, EPOCH, FOLD, RUN, FoldCase
from tests.runs.random_runs import ABOUT, folded, logged, runs, started

pytestmark = pytest.mark.shape("embedded")


@pytest.mark.parametrize("case", FOLD.values(), ids=FOLD)
def test_fold__does_what_the_contract_says(case: FoldCase) -> None:
    run = RunObject(EPOCH, ABOUT)
    for number, value in enumerate(case.events, 1):
        fields = {name: each for name, each in value.items() if name != "event"}
        run.fold(LoggedEvent(RUN, number, AT, RunEvent(value["event"], fields)))
    found = run.to_json()
    transcript = {name: found["transcript"][name] for name in case.transcript}
    assert transcript == case.transcript
    assert {name: found[name] for name in case.run} == case.run


def test_fold__every_kind__has_a_case() -> None:
    assert {event["event"] for case in FOLD.values() for event in case.events} >= KINDS.keys()


@given(events=runs, place=st.integers(0, 60))
def test_fold__going_on_from_a_snapshot__is_going_on_from_the_beginning(
    events: list[RunEvent], place: int
) -> None:
    whole = folded(events)
    first = folded(events[:place])
    snapshot = json.loads(first.to_bytes())
    assert RunObject.from_json(snapshot).to_bytes() == first.to_bytes()
    assert folded(events[place:], RunObject.from_json(snapshot)).to_bytes() == whole.to_bytes()


@given(events=runs, places=st.lists(st.integers(0, 60), max_size=3))
def test_fold__looking_at_it_in_between__changes_nothing(events: list[RunEvent], places: list[int]) -> None:
    looked_at = RunObject(EPOCH, ABOUT)
    for number, event in enumerate(events, 1):
        looked_at.fold(logged(number, event))
        if number in places:
            looked_at.to_json()
    assert looked_at.to_bytes() == folded(events).to_bytes()


@given(events=runs)
def test_events_of__any_object__folds_to_the_same(events: list[RunEvent]) -> None:
    expected = folded(events).to_json()
    run = RunObject(EPOCH)
    for number, (event, at) in enumerate(events_of(expected), 1):
        run.fold(LoggedEvent(RUN, number, at, event))
    found = run.to_json()
    for numbered in (found, expected):
        del numbered["number"], numbered["cursor"]
    # A message may have begun before the first of a neighbour's parts; which parts there are is the same.
    assert found == expected


@given(events=runs, again=st.integers(0, 60))
def test_fold__events_that_come_again__do_nothing(events: list[RunEvent], again: int) -> None:
    run = folded(events)
    before = run.to_bytes()
    for number, event in [*enumerate(events, 1)][again:]:
        run.fold(logged(number, event))
    assert run.to_bytes() == before


@given(events=runs)
def test_event__written_and_read__is_the_same(events: list[RunEvent]) -> None:
    for number, event in enumerate(events[1:], 2):
        text = logged(number, event).to_json()
        assert text.isascii()
        assert "\n" not in text
        assert LoggedEvent.from_json(text) == logged(number, event)


def test_start__written_and_read__folds_to_the_same() -> None:
    text = logged(1, started()).to_json()
    run = RunObject(EPOCH, ABOUT)
    run.fold(LoggedEvent.from_json(text))
    assert run.to_bytes() == folded([started()]).to_bytes()


def test_snapshot__keeps_nothing_that_a_later_event_changes() -> None:
    call = RunEvent("run.tool_called", {"call": "c1", "name": "x"})
    run = folded([started(), call, RunEvent("run.step_started", {"step": "s1", "name": "y"})])
    snapshot, text = run.to_json(), run.to_bytes()
    copy = RunObject.from_json(snapshot)
    for target in (run, copy):
        folded([RunEvent("run.data", {"name": "a", "value": 1}), RunEvent("run.completed", {})], target)
    assert json.dumps(snapshot, separators=(",", ":")).encode() == text


def test_deltas__a_hundred_thousand_of_one_message__take_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        events = [RunEvent("run.text", {"message": "m1", "delta": "word "}) for _ in range(count)]
        began = time.perf_counter()
        transcript = Transcript()
        for event in events:
            transcript.fold(event, AT)
        assert len(transcript.to_json()["parts"][0]["text"]) == 5 * count
        return time.perf_counter() - began

    short, long = (min(seconds(count) for _ in range(5)) for count in (10_000, 100_000))
    assert long < 40 * short  # in proportion it is 10 times as long; the square of it would be 100 times


def test_cursor__is_the_epoch_and_the_number() -> None:
    run: dict[str, Any] = folded([started()]).to_json()
    assert (run["cursor"], run["number"]) == (f"{EPOCH}-1", 1)
    assert folded([started()]).cursor == f"{EPOCH}-1"
    assert "transcript" not in folded([started()]).to_json(with_transcript=False)
