"""Tracks which ids of a growing table were read; concurrent transactions commit their ids in any order.

Pure: no database, no event loop, no clock. Invariants:

- An id is new once: when it is first read, either above all others or in a gap below them.
- A gap is forgotten only after every transaction that may have taken its ids had ended before a read that did
  not find them.
- At most ``MAX_GAPS`` gaps are remembered. The lowest is given up first, and counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_GAPS: Final = 2_000


class _Gap(NamedTuple):
    """Ids from ``first`` to ``last`` that were not found.

    ``mark`` is above the number of every transaction that can have taken them; None until it is known.
    """

    first: int
    last: int
    mark: int | None


class IdGaps:
    """The ids that were read so far, and the gaps between them.

    Attributes:
        high: the greatest id that was read.
        given_up_count: how many ids were in gaps that were given up because there were too many gaps.
    """

    def __init__(self, high: int) -> None:
        self.high = high
        self.given_up_count = 0
        self._gaps: list[_Gap] = []

    @property
    def low(self) -> int:
        """Every id up to here was read, or will never appear."""
        return self._gaps[0].first - 1 if self._gaps else self.high

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The ranges of ids to read again."""
        return [(gap.first, gap.last) for gap in self._gaps]

    @property
    def has_unmarked(self) -> bool:
        """Whether a gap has no mark yet."""
        return any(gap.mark is None for gap in self._gaps)

    def add_new(self, ids: Iterable[int]) -> None:
        """Note ids above ``high``, in ascending order; the ids between them become gaps."""
        for id_ in ids:
            if id_ > self.high + 1:
                self._gaps.append(_Gap(self.high + 1, id_ - 1, None))
            self.high = id_
        while len(self._gaps) > MAX_GAPS:
            gap = self._gaps.pop(0)
            self.given_up_count += gap.last - gap.first + 1

    def fill(self, ids: Iterable[int]) -> None:
        """Note ids that were found in gaps, in ascending order."""
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
        """Set the mark of the gaps that have none."""
        self._gaps = [gap if gap.mark is not None else gap._replace(mark=number) for gap in self._gaps]

    def settle(self, horizon: int) -> None:
        """Forget the gaps whose ids can no longer appear.

        Args:
            horizon: every transaction below this number had ended when the gaps were last read.
        """
        self._gaps = [gap for gap in self._gaps if gap.mark is None or gap.mark >= horizon]

    def skip_to(self, high: int) -> int:
        """Go on from another id; return how many ids were skipped at most."""
        skipped = max(0, high - self.high) + sum(gap.last - gap.first + 1 for gap in self._gaps)
        self.high, self._gaps = max(high, self.high), []
        return skipped
