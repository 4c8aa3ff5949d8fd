"""The pace of a replay: long pauses are shortened, and said to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from notifications.streaming.staff.replay_speed import MAX_PAUSE_SECONDS, Pause, ReplayPace

pytestmark = pytest.mark.shape("embedded")


def test_pace__shortens_long_pauses_and_says_how_long_they_were() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    pace = ReplayPace(10, at)
    assert pace.pause_before(at) == Pause(0.0)
    assert pace.pause_before(at + timedelta(seconds=5)) == Pause(0.5)
    assert pace.pause_before(at + timedelta(hours=1)) == Pause(MAX_PAUSE_SECONDS, 3_595.0)
    assert pace.pause_before(at + timedelta(hours=1, seconds=10)) == Pause(1.0)
    assert ReplayPace(1, None).pause_before(at) == Pause(0.0)
