"""Several statements as one transaction, in one trip to the database where its driver can do that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction

from notifications.sql.dialect import is_postgresql


class Statement(NamedTuple):
    """A statement with its parameters."""

    sql: str
    params: Sequence[Any] = ()


def run_at_once(statements: Sequence[Statement]) -> list[list[Any]]:
    """Run statements that give rows one after the other and return the rows of each.

    Each sees what was committed before it began itself, so one that comes after a lock sees what the lock was
    waited for. The parts of a single statement would not.

    Transaction: their own, all of them or none; inside a caller's they are part of that. On PostgreSQL they
    are sent together: alone, to begin and to commit would take as long as what is done between. It is
    SQLite's shape, or the choice of ``server_side_binding``, to be sent one by one.
    """
    with connection.cursor() as cursor:
        if not _takes_several():
            with transaction.atomic(savepoint=False):
                return [_rows(cursor, statement) for statement in statements]
        text = "; ".join(statement.sql for statement in statements)
        cursor.execute(text, [value for statement in statements for value in statement.params])
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        return results


def write_at_once(statements: Sequence[Statement]) -> list[int]:
    """Run statements that give no rows, one after the other, and return how many rows each has written.

    Transaction: the caller's. On PostgreSQL they are sent together.
    """
    with connection.cursor() as cursor:
        if not _takes_several():
            return [_count(cursor, statement) for statement in statements]
        text = "; ".join(statement.sql for statement in statements)
        cursor.execute(text, [value for statement in statements for value in statement.params])
        counts = [cursor.rowcount]
        while cursor.nextset():
            counts.append(cursor.rowcount)
        return counts


def _count(cursor: Any, statement: Statement) -> int:
    cursor.execute(*statement)
    return int(cursor.rowcount)


def _rows(cursor: Any, statement: Statement) -> list[Any]:
    cursor.execute(*statement)
    rows: list[Any] = cursor.fetchall()
    return rows


def _takes_several() -> bool:
    """Whether the driver puts the values into the text: PostgreSQL takes several statements as a text
    alone.
    """
    database: Any = connection
    is_psycopg = is_postgresql(database) and database.Database.__name__ == "psycopg"
    return is_psycopg and not database.settings_dict["OPTIONS"].get("server_side_binding")
