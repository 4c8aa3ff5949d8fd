"""Pauses after failures grow to a bound, and jitter stays within its part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming import timing

pytestmark = pytest.mark.shape("embedded")


def test_backoff__grows_to_its_bound() -> None:
    assert timing.backoff_seconds(0) < timing.backoff_seconds(3) < timing.backoff_seconds(6)
    assert timing.backoff_seconds(10_000) <= timing.MAX_BACKOFF_SECONDS * 1.25


@given(value=st.floats(0.1, 1_000), part=st.floats(0, 1))
def test_spread__stays_within_its_part(value: float, part: float) -> None:
    assert value * (1 - part) - 1e-6 <= timing.with_jitter(value, part) <= value * (1 + part) + 1e-6
