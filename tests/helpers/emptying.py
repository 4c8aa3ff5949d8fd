"""How the database is emptied after a test that committed: quickly, and giving way to a hub that still writes
its last rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

# What `migrate` wrote. Django's own flush empties these too, and writes them anew after each test, which
# takes longer than most tests.
KEPT: Final = frozenset({"django_migrations", "django_content_type", "auth_permission"})
ATTEMPTS: Final = 100
LOCK_TIMEOUT: Final = "200ms"
# PostgreSQL forgets the rows of a table by itself if there were few; of more, the plans of the tests that
# follow would know too much.
MANY_ROWS: Final = 200


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows but those that the migrations wrote.

    On PostgreSQL rows are deleted where Django would truncate: 0.6 ms rather than 13, and without locks on
    whole tables. A process that serves may still hold a row, or add one that refers to a row that goes: then
    this gives its locks back, before PostgreSQL looks for deadlocks (1 s) and might end the other one's
    statement, and tries again.

    Raises `django.db.OperationalError` or `django.db.IntegrityError` if something is in the way for very
    long.
    """
    deleted: dict[str, int] = {}
    for left in reversed(range(ATTEMPTS)):
        try:
            with transaction.atomic(using=connection.alias):
                deleted = _delete(connection)
        except (OperationalError, IntegrityError):
            if not left:
                raise
        else:
            break
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for name, count in deleted.items():
                if count > MANY_ROWS:
                    cursor.execute(f"VACUUM ANALYZE {connection.ops.quote_name(name)}")


def _delete(connection: BaseDatabaseWrapper) -> dict[str, int]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    deleted = {}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        for name in tables:
            if name not in KEPT:
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")
                deleted[name] = cursor.rowcount
    return deleted


@contextmanager
def emptying_that_gives_way() -> Iterator[None]:
    """Tests that commit empty the database by `empty` as long as this lasts."""

    def teardown(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            empty(connections[alias])

    with patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield
