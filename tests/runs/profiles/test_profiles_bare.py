"""The hub's own events with nothing around them."""

from __future__ import annotations

import pytest

from notifications.runs.events import RunEvent
from notifications.runs.kinds import KINDS
from notifications.runs.profiles import bare
from tests.runs.random_runs import folded, started

pytestmark = pytest.mark.shape("embedded")


def test_event__is_named_without_its_prefix_and_holds_its_fields_alone() -> None:
    event = RunEvent("run.text", {"message": "m1", "delta": "a"})
    assert bare.named(event) == ("text", {"message": "m1", "delta": "a"})
    run = folded([started()]).to_json()
    assert bare.snapshot(run) == ("snapshot", run)


def test_names__are_none_of_those_that_event_source_has_of_its_own() -> None:
    names = {bare.named(RunEvent(kind, {}))[0] for kind in KINDS} | {bare.snapshot({})[0]}
    assert len(names) == len(KINDS) + 1
    assert not names & {"open", "error", "message"}
