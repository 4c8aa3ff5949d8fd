"""Set-based writes that the ORM has no form for: many rows of given values, inserted or updated by one statement.

``unnest`` on PostgreSQL, ``json_each`` on SQLite. Through ``bulk_create`` and ``bulk_update`` the same work took 5 to 20
times as long; ``tests/integration/test_rows.py`` holds both to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection
from django.db.models import Field, Model

from notifications.arrays import array_text, sql_type

Values = Sequence[tuple[Any, ...]]


def insert_rows(model: type[Model], columns: Sequence[str], rows: Values) -> None:
    """Insert rows, in their order. One statement; columns that are not named take their database default.

    Args:
        model: whose table.
        columns: attribute names of its fields (``inbox_id`` for a foreign key).
        rows: one tuple of Python values for each row, in the order of ``columns``.
    """
    if not rows:
        return
    table = _Table(model, columns, rows)
    names = ", ".join(table.column(index) for index in range(len(columns)))
    values = ", ".join(table.values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table.name} ({names}) SELECT {values} {table.source}",
            (*table.constants, *table.arrays),
        )


def update_rows(model: type[Model], columns: Sequence[str], rows: Values) -> None:
    """Update the rows whose primary key is each tuple's first value. One statement.

    Args:
        model: whose table.
        columns: attribute names of its fields; the first is the primary key.
        rows: one tuple of Python values for each row, in the order of ``columns``.
    """
    if not rows:
        return
    table = _Table(model, columns, rows, varying=1)
    assignments = ", ".join(
        f"{table.column(index)} = {table.values[index]}" for index in range(1, len(columns))
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table.name} SET {assignments} {table.source} "  # noqa: S608 (names, placeholders)
            f"WHERE {table.name}.{table.column(0)} = {table.values[0]}",
            (*table.constants, *table.arrays),
        )


class _Table:
    """Rows turned into a FROM clause; a column that holds one value in all rows is sent once, as a constant."""

    def __init__(self, model: type[Model], columns: Sequence[str], rows: Values, *, varying: int = 0) -> None:
        self._fields: list[Field[Any, Any]] = [_field(model, column) for column in columns]
        self.name = connection.ops.quote_name(model._meta.db_table)
        self.constants: list[Any] = []
        self.values: list[str] = []
        arrays: list[tuple[Field[Any, Any], list[Any]]] = []
        for index, field in enumerate(self._fields):
            cells = [row[index] for row in rows]
            first = cells[0]
            # A FROM clause needs a column, so the first one always varies.
            if index >= max(varying, 1) and all(cell is first or cell == first for cell in cells):
                self.constants.append(field.get_db_prep_save(first, connection))
                self.values.append(
                    f"CAST(%s AS {sql_type(field)})" if connection.vendor == "postgresql" else "%s"
                )
            else:
                self.values.append(f"r.c{len(arrays)}")
                arrays.append((field, cells))
        self.arrays, self.source = (
            _postgresql(arrays) if connection.vendor == "postgresql" else _sqlite(arrays)
        )

    def column(self, index: int) -> str:
        return connection.ops.quote_name(self._fields[index].column)


def _postgresql(arrays: list[tuple[Field[Any, Any], list[Any]]]) -> tuple[list[Any], str]:
    casts = ", ".join(f"%s::{sql_type(field)}[]" for field, _ in arrays)
    names = ", ".join(f"c{index}" for index in range(len(arrays)))
    return [array_text(cells) for _, cells in arrays], f"FROM unnest({casts}) AS r({names})"


def _sqlite(arrays: list[tuple[Field[Any, Any], list[Any]]]) -> tuple[list[Any], str]:
    prepared = [[field.get_db_prep_save(cell, connection) for cell in cells] for field, cells in arrays]
    text = orjson.dumps(list(zip(*prepared, strict=True))).decode()
    names = ", ".join(f"json_extract(value, '$[{index}]') AS c{index}" for index in range(len(arrays)))
    return [text], f"FROM (SELECT {names} FROM json_each(%s)) AS r"  # noqa: S608 (no input)


def _field(model: type[Model], attname: str) -> Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if attname in (field.attname, field.name))
