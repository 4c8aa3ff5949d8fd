"""Which database it is, and what statements written by hand call its tables, columns and times.

Nothing outside this room asks for a database's vendor or quotes a name.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model


def is_postgresql(database: BaseDatabaseWrapper | Any = connection) -> bool:
    """Whether a connection is to PostgreSQL; by default the thread's own."""
    return bool(database.vendor == "postgresql")


def is_sqlite(database: BaseDatabaseWrapper | Any = connection) -> bool:
    """Whether a connection is to SQLite; by default the thread's own."""
    return bool(database.vendor == "sqlite")


@cache
def table(model: type[Model]) -> str:
    """A model's table, as statements name it. Both databases quote names alike."""
    return str(connection.ops.quote_name(model._meta.db_table))


@cache
def column(model: type[Model], field: str) -> str:
    """The column of a model's field, as statements name it.

    Args:
        model: a model.
        field: a field's name, or its ``attname``, or ``pk``.
    """
    meta: Any = model._meta
    found = (
        meta.pk if field == "pk" else next(f for f in meta.concrete_fields if field in (f.attname, f.name))
    )
    return str(connection.ops.quote_name(found.column))


def now() -> str:
    """The time at which the statement begins, as ``django.db.models.functions.Now`` writes it."""
    return "STATEMENT_TIMESTAMP()" if is_postgresql() else _sqlite_time("'NOW'")


def ago(seconds: float) -> tuple[str, Any]:
    """A time in the past, counted from ``now``: an expression with one placeholder, and its parameter."""
    if is_postgresql():
        return f"{now()} - make_interval(secs => %s)", seconds
    return _sqlite_time("'NOW', %s"), f"-{seconds} seconds"


def _sqlite_time(modifiers: str) -> str:
    return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', {modifiers})"


def estimated_row_count(model: type[Model]) -> int:
    """How many rows PostgreSQL believes a table to have; 0 for one that it has never counted. One query.

    PostgreSQL only.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table(model)])
        return max(int(cursor.fetchone()[0]), 0)
