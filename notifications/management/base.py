"""What commands share that work on the hub's tables.

When the database fails they give one line of advice. While they work for long they report their progress.
"""

from __future__ import annotations

import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import DatabaseError, connection

from notifications.ops.readiness import missing_migrations

EVERY_SECONDS: Final = 2.0


class HubCommand(BaseCommand):
    """A command of the hub; ``--traceback`` shows where the database failed."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command.

        Raises:
            CommandError: its own, or advice about the database.
        """
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(advice(error)) from error


def advice(error: DatabaseError) -> str:
    """Return in one line what to do about an error of the database."""
    why = " ".join(str(error).split())
    try:
        # Without a connection, another query would only wait once more.
        missing_count = len(missing_migrations()) if connection.connection is not None else None
    except DatabaseError:
        missing_count = None
    if missing_count is None:
        return f"The database cannot be reached; check DATABASE_URL: {why}"
    if missing_count:
        return f"{missing_count} migrations are not applied yet; run: manage.py migrate ({why})"
    return f"The database failed: {why}"


class Progress:
    """Counts what is done, and reports it now and then on the error output, apart from the results.

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
