"""How failed sign-ins are counted and told: the invariants that the module opens with."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.contrib.security.failures import (
    EXACT_BELOW,
    MAX_GROUPS,
    MAX_USES,
    FailureGroup,
    add_failure,
    is_reported,
)

pytestmark = pytest.mark.shape("embedded")

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def play(*failures: tuple[str, datetime]) -> list[FailureGroup]:
    """The group of each failure, in order, beginning with none."""
    stored: dict[int, FailureGroup] = {}
    told = []
    for address, at in failures:
        group = add_failure(list(stored.values()), address=address, at=at)
        stored[group.number] = group
        told.append(group)
    return told


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_add_failure__counts_one_address_within_one_hour() -> None:
    first, second, third = play(("192.0.2.1", at(1)), ("192.0.2.1", at(2)), ("192.0.2.1", at(59.9)))
    assert [first.count, second.count, third.count] == [1, 2, 3]
    assert first.number == second.number == third.number
    assert (third.first_at, third.last_at) == (at(1), at(59.9))


def test_add_failure__begins_anew_with_another_address_and_with_another_hour() -> None:
    groups = play(("192.0.2.1", at(59)), ("192.0.2.2", at(59)), ("192.0.2.1", at(60)))
    assert [group.count for group in groups] == [1, 1, 1]
    assert len({group.number for group in groups}) == 3


def test_add_failure__an_eleventh_address_takes_the_number_that_was_quiet_for_longest() -> None:
    groups = play(
        *((f"192.0.2.{n}", at(n)) for n in range(10)), ("192.0.2.0", at(10)), ("198.51.100.1", at(11))
    )
    assert groups[-1].number == groups[1].number
    assert (groups[-1].address, groups[-1].count, groups[-1].several) == ("198.51.100.1", 1, False)


def test_add_failure__a_crowd_of_addresses_is_counted_together() -> None:
    groups = play(*((f"2001:db8::{n:x}", at(n / 100)) for n in range(1_000)))
    by_name = [group for group in groups if not group.several]
    crowd = [group for group in groups if group.several]
    assert len(by_name) == MAX_GROUPS * MAX_USES
    assert len({group.number for group in crowd}) == 1
    assert crowd[0].count == 2  # the one whose number it took, and the first without a name
    assert crowd[-1].count == 1_000 - len(by_name) + 1
    assert crowd[-1].address == "2001:db8::3e7"


def test_add_failure__the_next_hour_tells_addresses_by_name_again() -> None:
    groups = play(*((f"2001:db8::{n:x}", at(n / 100)) for n in range(100)), ("192.0.2.1", at(60)))
    assert (groups[-1].several, groups[-1].earlier_uses, groups[-1].count) == (False, 0, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, 80).map(lambda n: f"10.0.0.{n}"), st.integers(0, 180).map(at)),
        max_size=300,
    )
)
def test_add_failure__whatever_arrives__numbers_and_groups_stay_bounded(
    failures: list[tuple[str, datetime]],
) -> None:
    groups = play(*failures)
    assert {group.number for group in groups} <= set(range(MAX_GROUPS))
    assert all(group.count >= 1 and group.earlier_uses < MAX_USES for group in groups)


@given(st.lists(st.integers(0, 200).map(lambda n: f"10.0.0.{n}"), max_size=400))
def test_add_failure__within_an_hour__begins_a_bounded_number_of_groups(addresses: list[str]) -> None:
    groups = play(*((address, at(n / 10)) for n, address in enumerate(addresses)))
    begun = Counter(group.number for group in groups if group.count == 1)
    assert all(uses <= MAX_USES for uses in begun.values())


@given(st.integers(1, 10**7))
def test_is_told__what_was_told_last_is_at_most_a_tenth_behind(count: int) -> None:
    last = next(number for number in range(count, 0, -1) if is_reported(number))
    assert last == count if count < EXACT_BELOW else last > count * 0.9


def test_is_told__grows_with_the_logarithm() -> None:
    assert sum(map(is_reported, range(1, 100_001))) == 99 + 90 * 3 + 1
