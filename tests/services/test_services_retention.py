"""What is kept for how long: a rule for each table, said in one place and on one page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.utils import timezone

from notifications.permissions import APP_LABEL
from notifications.services import retention, sweeper
from notifications.services.retention import (
    REMOVED_BY_COMMAND,
    REMOVED_BY_SWEEPER,
    REMOVED_OTHERWISE,
    RetentionRule,
)

RULES = (*REMOVED_BY_SWEEPER, *REMOVED_BY_COMMAND)
PAGE = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()


def test_rules__and_the_rest__say_of_each_table_when_its_rows_go() -> None:
    ruled = [model for rule in RULES for model in rule.models]
    assert len(set(ruled)) == len(ruled)
    assert not set(ruled) & REMOVED_OTHERWISE.keys()
    assert {*ruled, *REMOVED_OTHERWISE} == set(apps.get_app_config(APP_LABEL).get_models())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.description)
def test_rule__is_on_the_page_for_operators(rule: RetentionRule) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| {rule.description} |")]
    assert (f"`HUB_{rule.days_setting.upper()}`" in row) is bool(rule.days_setting)
    assert ("`manage.py prune_notifications`" in row) is (rule in REMOVED_BY_COMMAND)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.days_setting], ids=lambda rule: rule.description
)
def test_rule__by_a_setting__counts_its_days(rule: RetentionRule, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {**settings.NOTIFICATION_HUB, rule.days_setting: 7}
    cutoff = rule.cutoff()
    assert cutoff is not None
    assert abs(timezone.now() - timedelta(days=7) - cutoff) < timedelta(hours=1)


def test_rule__of_no_days__keeps_for_ever(settings: Any) -> None:
    settings.NOTIFICATION_HUB = {**settings.NOTIFICATION_HUB, "retention_days": 0}
    assert retention.NOTIFICATIONS.cutoff() is None
    assert retention.BROADCASTS.apply() == 0


def test_sweep__has_retention_as_its_last_step() -> None:
    assert sweeper.STEPS[-1].run is retention.remove_old
    assert len({step.name for step in sweeper.STEPS}) == len(sweeper.STEPS)


@pytest.mark.django_db(transaction=True)
def test_sweep__failing__says_in_which_step_and_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def fail() -> int:
        raise OSError("gone")

    def go_on() -> int:
        ran.append("second")
        return 1

    steps = (
        sweeper.Step("first", "Fail.", fail),
        sweeper.Step("second", "Go on.", go_on),
    )
    monkeypatch.setattr(sweeper, "STEPS", steps)
    with pytest.raises(OSError, match="gone") as caught:
        sweeper.sweep()
    assert caught.value.__notes__ == ["The step of the sweep that failed: Fail."]
    assert ran == []
