"""The page's fold of a run, held to the hub's: by the same cases, and by random runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from notifications.runs.events import RunEvent
from notifications.runs.run_object import RunObject
from tests.pages.scripts import call
from tests.runs.cases import AT, EPOCH, FOLD, RUN, FoldCase
from tests.runs.random_runs import ABOUT, folded, logged, runs

pytestmark = [pytest.mark.browser, pytest.mark.shape("embedded")]

FRESH = RunObject(EPOCH, ABOUT).to_json()
# As texts, because what the driver carries over is not quite JSON.
FOLD_THEM = """({openRun, offer}, given) => {
    const {snapshot, events, epoch} = JSON.parse(given);
    const run = openRun(snapshot);
    const outcomes = events.map((event) => offer(run, event, `${epoch}-${event.number}`));
    return JSON.stringify({run, outcomes, snapshot});
}"""


def fold(page: Page, snapshot: Any, events: list[dict[str, Any]], epoch: str = EPOCH) -> Any:
    """What the page makes of a snapshot and events: the run, what came of each, and the snapshot again."""
    given = json.dumps({"snapshot": snapshot, "events": events, "epoch": epoch})
    return as_page(json.loads(call(page, "run-fold.js", FOLD_THEM, given)))


def as_page(value: Any) -> Any:
    """With the numbers that JavaScript has."""
    return json.loads(json.dumps(value), parse_int=float)


@pytest.mark.parametrize("case", FOLD.values(), ids=FOLD)
def test_fold__does_what_the_contract_says(page: Page, case: FoldCase) -> None:
    events = [
        {**event, "run": RUN, "number": number, "at": AT} for number, event in enumerate(case.events, 1)
    ]
    run = fold(page, FRESH, events)["run"]
    assert {name: run["transcript"][name] for name in case.transcript} == as_page(case.transcript)
    assert {name: run[name] for name in case.run} == as_page(case.run)


@given(events=runs, place=st.integers(0, 30), repeats=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_fold__from_any_snapshot_with_repeats__is_what_the_hub_has(
    page: Page, events: list[RunEvent], place: int, repeats: int
) -> None:
    snapshot, whole = folded(events[:place]).to_json(), folded(events).to_json()
    told = [json.loads(logged(number, event).to_json()) for number, event in enumerate(events, 1)]
    come = told[max(0, place - repeats) :]
    found = fold(page, snapshot, come)
    assert found["run"] == as_page(whole)
    assert found["snapshot"] == as_page(snapshot)
    assert found["outcomes"].count("applied") == len(told[place:])


def test_fold__event_of_another_epoch__is_refused_and_changes_nothing(page: Page) -> None:
    event = {"event": "run.text", "message": "m", "delta": "a", "run": RUN, "number": 1, "at": AT}
    found = fold(page, FRESH, [event], epoch="zzzzzzzz")
    assert (found["run"], found["outcomes"]) == (as_page(FRESH), ["foreign"])
