"""Reports the progress of a long command on its error output, apart from its results."""

from __future__ import annotations

import time
from typing import Final

from django.core.management.base import OutputWrapper

EVERY_SECONDS: Final = 2.0


class Progress:
    """Counts what is done, and reports it now and then.

    Args:
        out: where to report.
        total: how many there are; it may grow while the command runs.
        what: the noun, in the plural.
        verbosity: 0 reports nothing, 1 every two seconds, 2 at each step.
    """

    def __init__(self, out: OutputWrapper, *, total: int, what: str, verbosity: int) -> None:
        self._out = out
        self._total = total
        self._what = what
        self._verbosity = verbosity
        self._reported_at = time.monotonic()
        self.count = 0

    def add(self, count: int) -> None:
        """Count so many more as done."""
        self.count += count
        now = time.monotonic()
        if self._verbosity > 1 or (self._verbosity and now - self._reported_at >= EVERY_SECONDS):
            self._reported_at = now
            self._out.write(f"{self.count:,} of {max(self._total, self.count):,} {self._what} …")
            self._out.flush()
