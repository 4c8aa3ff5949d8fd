"""The demo's stories: whatever the random numbers, they are whole and can be told."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from notifications.contrib.demo.notification_events import (
    ImportProgress,
    OrderPlaced,
    TokenExpired,
    TokenExpiring,
)
from notifications.contrib.demo.player import CATEGORIES
from notifications.contrib.demo.scenarios import (
    SCENARIOS,
    Scenario,
    Step,
    file_import,
    order,
    sync_job,
    token,
)
from notifications.inbox_log.content import build_event

pytestmark = pytest.mark.shape("embedded")

SEEDS = range(200)


def tell(scenario: Scenario, seed: int) -> list[Step]:
    return list(scenario(Random(seed)))


@pytest.mark.parametrize("scenario", [order, file_import, sync_job, token])
def test_scenarios__every_step_is_a_notification_that_may_be_sent(scenario: Scenario) -> None:
    for seed in SEEDS:
        steps = tell(scenario, seed)
        assert 0 < len(steps) < 20
        for step in steps:
            build_event(
                step.event,
                title=step.title,
                body=step.body,
                url=step.url,
                topic=step.topic,
                level=step.level,
                actor=step.actor,
                expires_at=None,
                source="",
            )
            assert step.event.type_name.split(".")[0] in CATEGORIES


def test_scenarios__all_are_played() -> None:
    assert set(SCENARIOS) == {order, file_import, sync_job, token}


def test_scenarios__the_same_seed_tells_the_same() -> None:
    assert all(tell(scenario, 7) == tell(scenario, 7) for scenario in SCENARIOS)


def test_order__ends_delivered_or_not_paid_under_one_topic() -> None:
    ends = set()
    for seed in SEEDS:
        steps = tell(order, seed)
        assert isinstance(steps[0].event, OrderPlaced)
        assert {step.topic for step in steps} == {f"order:{steps[0].event.order_id}"}
        ends.add((len(steps), steps[-1].event.type_name))
    assert ends == {(4, "orders.demo_parcel.delivered"), (2, "orders.demo_payment.failed")}


def test_import__each_step_goes_further_and_replaces_the_one_before() -> None:
    ends = set()
    for seed in SEEDS:
        steps = tell(file_import, seed)
        events = [step.event for step in steps if isinstance(step.event, ImportProgress)]
        assert len(events) == len(steps)
        assert [event.percent for event in events] == sorted({event.percent for event in events})
        assert {event.state for event in events[:-1]} <= {"running"}
        assert len({(step.topic, step.collapse_key, step.event.type_name) for step in steps}) == 1
        ends.add((events[-1].state, steps[-1].level))
        assert (events[-1].state == "finished") == (events[-1].percent == 100)
    assert ends == {("finished", "success"), ("failed", "error")}


def test_sync_job__ends_well_or_in_failure_and_is_sometimes_late() -> None:
    names = [[step.event.type_name for step in tell(sync_job, seed)] for seed in SEEDS]
    assert {steps[-1] for steps in names} == {"sync.demo_job.finished", "sync.demo_job.failed"}
    assert {len(steps) for steps in names} == {1, 2, 3}


def test_token__the_warning_goes_when_the_word_of_the_expiry_comes() -> None:
    warning, word = tell(token, 1)
    assert isinstance(warning.event, TokenExpiring)
    assert isinstance(word.event, TokenExpired)
    assert warning.expires_in == word.deliver_in == timedelta(seconds=warning.event.expires_in_seconds)
    assert warning.deliver_in is word.expires_in is None
