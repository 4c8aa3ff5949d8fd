"""How failed sign-ins are counted and told, decided without a database.

Invariants, whatever arrives in whatever order:

* One user has at most ``MAX_GROUPS`` groups, each in a slot of its own. A slot has one collapse key, so its
  newer notification replaces its older one, and no more than ``MAX_GROUPS`` are ever listed, also when
  failures arrive at the same time.
* A group is one address in one hour (UTC). When all slots are taken, the one that has been quiet for longest
  is used again.
* In one hour a slot begins at most ``MAX_TURNS`` groups. After that, further addresses are counted together,
  so that somebody who commands a million addresses cannot flood the user's log.
* A count is told exactly up to 99; above that, only when it has two significant digits (110, 1200). The log
  grows with the logarithm of what an attacker does, and what was told last is at most a tenth behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

MAX_GROUPS: Final = 10
MAX_TURNS: Final = 5
EXACT_BELOW: Final = 100


@dataclass(frozen=True, kw_only=True)
class Group:
    """Failed sign-ins that are told as one.

    Attributes:
        slot: 0 to ``MAX_GROUPS`` - 1.
        turn: how many groups this slot has begun in the same hour before this one.
        address: the address, or the latest one of several.
        several: whether addresses beyond the bound are counted here together.
        hour_at: the beginning of the hour.
        count: how many there were.
        first_at: the time of the first one.
        last_at: the time of the latest one.
    """

    slot: int
    turn: int = 0
    address: str
    several: bool = False
    hour_at: datetime
    count: int = 1
    first_at: datetime
    last_at: datetime


def add_failure(groups: Sequence[Group], *, address: str, at: datetime) -> Group:
    """Count one failed sign-in.

    Args:
        groups: all groups that the user has.
        address: where it came from.
        at: when, in UTC.

    Returns:
        The group that it belongs to, to be stored in its slot in place of what is there.
    """
    hour_at = at.replace(minute=0, second=0, microsecond=0)
    current = [group for group in groups if group.hour_at == hour_at]
    for group in current:
        if group.address == address and not group.several:
            return replace(group, count=group.count + 1, last_at=at)
    for group in current:
        if group.several:
            return replace(group, address=address, count=group.count + 1, last_at=at)
    fresh = Group(slot=0, address=address, hour_at=hour_at, first_at=at, last_at=at)
    if free := set(range(MAX_GROUPS)) - {group.slot for group in groups}:
        return replace(fresh, slot=min(free))
    quietest = min(groups, key=lambda group: (group.last_at, group.slot))
    if quietest.hour_at != hour_at:
        return replace(fresh, slot=quietest.slot)
    if quietest.turn + 1 < MAX_TURNS:
        return replace(fresh, slot=quietest.slot, turn=quietest.turn + 1)
    return replace(quietest, address=address, several=True, count=quietest.count + 1, last_at=at)


def is_told(count: int) -> bool:
    """Whether a group that has reached this count is worth a notification."""
    return count < EXACT_BELOW or count % 10 ** (len(str(count)) - 2) == 0
