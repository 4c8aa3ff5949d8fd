"""How long a statement waits for a lock, and how to tell that it has waited in vain."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import OperationalError, connection, transaction

from notifications.sql.dialect import is_postgresql, is_sqlite
from notifications.sql.statements import Statement

LOCK_NOT_AVAILABLE: Final = "55P03"
# What Python's driver waits where the settings say nothing.
DRIVERS_TIMEOUT_SECONDS: Final = 5.0


def lock_timeout(seconds: float) -> Statement:
    """What limits how long the statements of the running transaction wait for locks. PostgreSQL only."""
    return Statement("SELECT set_config('lock_timeout', %s, true)", [f"{seconds}s"])


@contextmanager
def transaction_that_waits(seconds: float) -> Iterator[None]:
    """A transaction that waits for locks for a limited time.

    On SQLite the transaction is itself the lock, and it is waited for as long.

    Args:
        seconds: how long it waits for each lock at most.

    Raises:
        OperationalError: a lock was not had in time; ``is_lock_timeout`` tells it from other failures.
    """
    if is_sqlite():
        _set_busy_timeout(seconds)
    try:
        with transaction.atomic():
            if is_postgresql():
                with connection.cursor() as cursor:
                    cursor.execute(*lock_timeout(seconds))
            yield
    finally:
        if is_sqlite():
            _set_busy_timeout(connection.settings_dict["OPTIONS"].get("timeout", DRIVERS_TIMEOUT_SECONDS))


def is_lock_timeout(error: OperationalError) -> bool:
    """Whether somebody else holds what was wanted, rather than that the database is away."""
    cause: Any = error.__cause__
    if is_postgresql():
        return getattr(cause, "sqlstate", None) == LOCK_NOT_AVAILABLE
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _set_busy_timeout(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
