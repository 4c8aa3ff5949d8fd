"""Decides how failed sign-ins are counted and when their user is notified, without a database.

Invariants, whatever arrives in whatever order:

* One user has at most ``MAX_GROUPS`` groups, each with a number of its own. A number has one collapse key, so
  its newer notification replaces its older one, and no more than ``MAX_GROUPS`` are ever listed, even when
  failures arrive at the same time.
* A group is one address in one hour (UTC). When all numbers are in use, the one that has been quiet for
  longest is used again.
* In one hour a number is used for at most ``MAX_USES`` groups. After that, further addresses are counted
  together, so that somebody who controls a million addresses cannot flood the user's log.
* A count is reported exactly up to 99; above that, only when it has two significant digits (110, 1200). So
  the log grows with the logarithm of what an attacker does, and what was reported last is at most a tenth
  behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

MAX_GROUPS: Final = 10
MAX_USES: Final = 5
EXACT_BELOW: Final = 100


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Failed sign-ins that are reported as one.

    Attributes:
        number: 0 to ``MAX_GROUPS`` - 1.
        earlier_uses: how many groups had this number in the same hour before this one.
        address: the address, or the latest one of several.
        several: whether addresses beyond the bound are counted here together.
        hour_at: the beginning of the hour.
        count: how many failures there were.
        first_at: the time of the first one.
        last_at: the time of the latest one.
    """

    number: int
    earlier_uses: int = 0
    address: str
    several: bool = False
    hour_at: datetime
    count: int = 1
    first_at: datetime
    last_at: datetime


def add_failure(groups: Sequence[FailureGroup], *, address: str, at: datetime) -> FailureGroup:
    """Count one failed sign-in.

    Args:
        groups: all groups of the user.
        address: where it came from.
        at: when, in UTC.

    Returns:
        The group that it belongs to, which replaces the stored group of the same number.
    """
    hour_at = at.replace(minute=0, second=0, microsecond=0)
    current = [group for group in groups if group.hour_at == hour_at]
    for group in current:
        if group.address == address and not group.several:
            return replace(group, count=group.count + 1, last_at=at)
    for group in current:
        if group.several:
            return replace(group, address=address, count=group.count + 1, last_at=at)
    fresh = FailureGroup(number=0, address=address, hour_at=hour_at, first_at=at, last_at=at)
    if free := set(range(MAX_GROUPS)) - {group.number for group in groups}:
        return replace(fresh, number=min(free))
    quietest = min(groups, key=lambda group: (group.last_at, group.number))
    if quietest.hour_at != hour_at:
        return replace(fresh, number=quietest.number)
    if quietest.earlier_uses + 1 < MAX_USES:
        return replace(fresh, number=quietest.number, earlier_uses=quietest.earlier_uses + 1)
    return replace(quietest, address=address, several=True, count=quietest.count + 1, last_at=at)


def is_reported(count: int) -> bool:
    """Return whether the user is notified of a group that has reached this count."""
    return count < EXACT_BELOW or count % 10 ** (len(str(count)) - 2) == 0
