"""The base of commands that work on the hub's tables: one line of advice when the database fails."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from notifications.ops.readiness import missing_migrations


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
