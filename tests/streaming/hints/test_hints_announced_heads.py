"""Announced heads are remembered for a while, and for a bounded number of users."""

from __future__ import annotations

import pytest

from notifications.streaming.hints import announced_heads
from notifications.streaming.hints.announced_heads import AnnouncedHeads

pytestmark = pytest.mark.shape("embedded")


def test_announced__is_remembered_for_a_span_at_least_and_two_at_most() -> None:
    known = AnnouncedHeads()
    known.add({"1": 5, "2": 7}, now=100.0, span_seconds=10)
    known.add({"1": 4}, now=109.0, span_seconds=10)  # said later, by a slower thread
    assert known.get(["1", "2", "3"], now=109.9, span_seconds=10) == {"1": 5, "2": 7, "3": None}
    known.add({"2": 8}, now=115.0, span_seconds=10)
    assert known.get(["1", "2"], now=119.9, span_seconds=10) == {"1": 5, "2": 8}
    assert known.get(["1", "2"], now=125.1, span_seconds=10) == {"1": None, "2": 8}
    assert known.get(["1", "2"], now=999.0, span_seconds=10) == {"1": None, "2": None}


def test_announced__very_many_users__is_bounded_and_forgets_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announced_heads, "MAX_USERS", 3)
    known = AnnouncedHeads()
    known.add({str(user): user for user in range(1, 11)}, now=0.0, span_seconds=10)
    found = known.get(map(str, range(1, 11)), now=0.0, span_seconds=10)
    assert {key for key, head in found.items() if head} == {"7", "8", "9", "10"}
