"""Which ids of a growing table were read, where transactions that run together commit theirs in any order.

Pure: no database, no event loop, no clock. Invariants:

- An id is news once: when it is first read, above all others or in a gap that was left below them.
- A gap is forgotten only when every transaction that may have taken its ids has ended before a look that did
  not find them.
- At most ``MAX_GAPS`` are remembered; the lowest is given up first, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_GAPS: Final = 2_000


class _Gap(NamedTuple):
    """Ids from ``first`` to ``last`` that were not there.

    ``mark`` is above the number of any transaction that can have taken them; None until one was asked for.
    """

    first: int
    last: int
    mark: int | None


class IdGaps:
    """What was read so far.

    Attributes:
        high: the greatest id that was read.
        given_up_count: ids in gaps that were forgotten because there were too many.
    """

    def __init__(self, high: int) -> None:
        self.high = high
        self.given_up_count = 0
        self._gaps: list[_Gap] = []

    @property
    def low(self) -> int:
        """Every id up to here was read, or will never be there."""
        return self._gaps[0].first - 1 if self._gaps else self.high

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where to look again."""
        return [(gap.first, gap.last) for gap in self._gaps]

    @property
    def has_unmarked(self) -> bool:
        """Whether some gaps wait for a mark."""
        return any(gap.mark is None for gap in self._gaps)

    def add_new(self, ids: Iterable[int]) -> None:
        """Note ids above ``high``, in order; what they leave out is a gap."""
        for id_ in ids:
            if id_ > self.high + 1:
                self._gaps.append(_Gap(self.high + 1, id_ - 1, None))
            self.high = id_
        while len(self._gaps) > MAX_GAPS:
            gap = self._gaps.pop(0)
            self.given_up_count += gap.last - gap.first + 1

    def fill(self, ids: Iterable[int]) -> None:
        """Note ids that were found in gaps, in order."""
        found = list(ids)
        if not found:
            return
        gaps: list[_Gap] = []
        for gap in self._gaps:
            first = gap.first
            for id_ in (id_ for id_ in found if gap.first <= id_ <= gap.last):
                if id_ > first:
                    gaps.append(_Gap(first, id_ - 1, gap.mark))
                first = id_ + 1
            if first <= gap.last:
                gaps.append(_Gap(first, gap.last, gap.mark))
        self._gaps = gaps

    def mark(self, number: int) -> None:
        """Give those gaps a mark that have none."""
        self._gaps = [gap if gap.mark is not None else gap._replace(mark=number) for gap in self._gaps]

    def settle(self, horizon: int) -> None:
        """Forget the gaps below whose marks every transaction had ended when they were last looked into."""
        self._gaps = [gap for gap in self._gaps if gap.mark is None or gap.mark >= horizon]

    def skip_to(self, high: int) -> int:
        """Go on from another id; returns how many were passed over at most."""
        passed_over = max(0, high - self.high) + sum(gap.last - gap.first + 1 for gap in self._gaps)
        self.high, self._gaps = max(high, self.high), []
        return passed_over
