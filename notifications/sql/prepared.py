"""Queries that are compiled once: of the few that every request asks, making the statement took longer than
the answer.

A query is written with Django's ORM, with slots where values come later. What it compiles to is kept for the
life of the process, so nothing in it may depend on anything but its slots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import Expression, QuerySet

from notifications.sql.arrays import keys_text


class Slot(Expression):
    """Stands for a value of a field.

    Args:
        name: by which the value is given.
        field: whose value it is.
    """

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """A placeholder."""
        return "%s", [self]

    def prepare(self, value: Any) -> Any:
        """The parameter for a value."""
        return self.output_field.get_db_prep_value(value, connection)


class Slots(Slot):
    """Stands for many values of a field, as the right side of ``AnyOf``."""

    def prepare(self, value: Any) -> Any:
        """The one parameter for all of them."""
        return keys_text(self.output_field, value)


class Prepared:
    """A query of ``values_list``, to be asked again and again.

    Args:
        make: gives the query; called once, when it is first asked.
    """

    def __init__(self, make: Callable[[], QuerySet[Any, Any]]) -> None:
        self._make = make
        self._compiled: dict[str, tuple[str, tuple[Any, ...], dict[int, Any]]] = {}

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """The answer, with a value for each slot."""
        with connection.cursor() as cursor:
            cursor.execute(*self.filled(**values))
            return self.converted(cursor.fetchall())

    def filled(self, **values: Any) -> tuple[str, list[Any]]:
        """The statement and its parameters, for those who send it themselves."""
        statement, params, _ = self._compiled_here()
        return statement, [
            param.prepare(values[param.name]) if isinstance(param, Slot) else param for param in params
        ]

    def converted(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """What the database answers as Python has it."""
        _, _, converters = self._compiled_here()
        return [_converted(row, converters) for row in rows] if converters else rows

    def first(self, **values: Any) -> tuple[Any, ...] | None:
        """The first row of the answer, or None."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def _compiled_here(self) -> tuple[str, tuple[Any, ...], dict[int, Any]]:
        if (compiled := self._compiled.get(connection.vendor)) is None:
            compiled = self._compiled[connection.vendor] = self._compile()
        return compiled

    def _compile(self) -> tuple[str, tuple[Any, ...], dict[int, Any]]:
        compiler: Any = self._make().query.get_compiler(connection=connection)
        statement, params = compiler.as_sql()
        selected = [expression for expression, *_ in compiler.select]
        return statement, tuple(params), compiler.get_converters(selected)


def _converted(row: tuple[Any, ...], converters: dict[int, Any]) -> tuple[Any, ...]:
    cells = list(row)
    for index, (functions, expression) in converters.items():
        for function in functions:
            cells[index] = function(cells[index], expression, connection)
    return tuple(cells)
