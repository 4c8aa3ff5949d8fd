"""What all commands have in common that work on the hub's tables: where those cannot be had, one line that
says what to do.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from notifications.ops.readiness import missing_migrations


class HubCommand(BaseCommand):
    """A command of the hub's; ``--traceback`` shows where the database failed."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run it.

        Raises:
            CommandError: its own, or what to do about the database.
        """
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(advice(error)) from error


def advice(error: DatabaseError) -> str:
    """What to do about an error of the database, in one line."""
    why = " ".join(str(error).split())
    try:
        # Without a connection, to ask once more would be to wait once more.
        missing_count = len(missing_migrations()) if connection.connection is not None else None
    except DatabaseError:
        missing_count = None
    if missing_count is None:
        return f"The database cannot be reached; look at DATABASE_URL: {why}"
    if missing_count:
        return f"{missing_count} migrations are not applied yet; run: manage.py migrate ({why})"
    return f"The database failed: {why}"
