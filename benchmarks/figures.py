"""What a run has measured: shown as a table, kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured.
        value: how much.
        unit: of the value.
        baseline: what the same run measured for the least that could be done, in the same unit; None for
            figures without one.
        limit: the most that the value, or with a baseline its ratio to it, is to be; None when nothing is
            asked for.
        at_least: the limit is the least instead.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    limit: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """The value in baselines."""
        return self.value / self.baseline if self.baseline else None

    @property
    def is_reached(self) -> bool | None:
        """Whether the limit is kept; None when there is none."""
        if self.limit is None:
            return None
        compared = self.value if self.ratio is None else self.ratio
        return compared >= self.limit if self.at_least else compared <= self.limit


def p99(values: Collection[float]) -> float:
    """The value that all but one of a hundred stay below."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def table(figures: Iterable[Figure]) -> str:
    """The figures for a person."""
    rows = [("figure", "measured", "baseline", "ratio", "wanted", "")]
    for figure in figures:
        wanted = "" if figure.limit is None else f"{'≥' if figure.at_least else '≤'} {figure.limit:g}"
        rows.append(
            (
                figure.name,
                f"{figure.value:.4g} {figure.unit}",
                "" if figure.baseline is None else f"{figure.baseline:.4g}",
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                wanted,
                {None: "", True: "ok", False: "MISSED"}[figure.is_reached],
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def write_json(path: Path, figures: Iterable[Figure]) -> None:
    """Keep the figures for programs."""
    values = [
        {**asdict(figure), "ratio": figure.ratio, "is_reached": figure.is_reached} for figure in figures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cores": 2, "figures": values}, indent=2) + "\n")
