"""Bars over time, as shapes for a template.

They are numbers alone, so no markup is made here and no script has to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

WIDTH: Final = 600
HEIGHT: Final = 120
GAP: Final = 0.22  # of a bar's place


class Bar(NamedTuple):
    """One rectangle, in the units of the picture; ``series`` counts from 1."""

    x: float
    y: float
    width: float
    height: float
    series: int


class Series(NamedTuple):
    """One kind of thing that is counted: how it is called, in which buckets how many, and in all."""

    number: int
    label: str
    counts: list[int]
    total: int


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of some series on top of each other.

    Attributes:
        key: its id on the page.
        highest: the sum of the highest bar.
        rows: for the table behind: the beginning of each bucket, with the count of each series.
    """

    key: str
    title: str
    series: list[Series]
    bars: list[Bar]
    highest: int
    rows: list[tuple[datetime, list[int]]]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        """There is nothing to draw."""
        return not self.highest


class Buckets(NamedTuple):
    """A span of time in equal parts, the last of which is now."""

    since: datetime
    step: timedelta
    size: int

    def index_of(self, at: datetime) -> int:
        """Find the part that a time falls into; times outside are in the first or the last."""
        return min(max(int((at - self.since) / self.step), 0), self.size - 1)

    def starts(self) -> list[datetime]:
        """List when each part begins."""
        return [self.since + number * self.step for number in range(self.size)]


def stacked_plot(key: str, title: str, buckets: Buckets, counts: Mapping[str, Sequence[int]]) -> Plot:
    """A plot of some series, the first at the bottom.

    Args:
        counts: for each label a number for each bucket.
    """
    series = [
        Series(number, label, list(values), sum(values))
        for number, (label, values) in enumerate(counts.items(), start=1)
    ]
    sums = [sum(one.counts[place] for one in series) for place in range(buckets.size)]
    highest = max(sums, default=0)
    slot = WIDTH / buckets.size
    bars: list[Bar] = []
    for place in range(buckets.size):
        y = float(HEIGHT)
        for one in series:
            if highest and one.counts[place]:
                height = max(one.counts[place] / highest * (HEIGHT - 2), 1.5)
                y -= height
                bars.append(
                    Bar(
                        round(slot * (place + GAP / 2), 2),
                        round(max(y, 0), 2),
                        round(slot * (1 - GAP), 2),
                        round(height, 2),
                        one.number,
                    )
                )
    rows = [(start, [one.counts[place] for one in series]) for place, start in enumerate(buckets.starts())]
    return Plot(key, title, series, bars, highest, rows)
