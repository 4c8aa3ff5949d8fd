"""Many values as one parameter of a statement: an array on PostgreSQL, JSON on SQLite.

A placeholder for each value costs the driver about 2 µs of Python each, and SQLite takes no more than 32,766
of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import AutoField, Field, Lookup

from notifications.sql.dialect import is_postgresql

if TYPE_CHECKING:
    _AnyLookup = Lookup[Any]
else:  # at run time it takes no parameter
    _AnyLookup = Lookup

# ``varchar(100)`` would cut longer text off without a word; ``varchar`` lets the column refuse it.
_LENGTH: Final = re.compile(r"\(\d+\)")
_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda cell: "NULL",
    int: str,
    UUID: str,
    datetime: datetime.isoformat,
}


class AnyOf(_AnyLookup):
    """``AnyOf(F("recipient_id"), keys)``: a condition like ``recipient_id__in=keys``, with one parameter for
    all keys.
    """

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The condition and its parameters."""
        column, params = self.process_lhs(compiler, connection)
        field = self.lhs.output_field
        # A slot (``notifications.sql.prepared``) is filled later.
        is_slot = hasattr(self.rhs, "resolve_expression")
        return f"{column} {any_of(field)}", [*params, self.rhs if is_slot else keys_text(field, self.rhs)]


def any_of(field: Field[Any, Any]) -> str:
    """What follows a column in a statement, to say that its value is one of those in one parameter
    (``keys_text``).
    """
    if is_postgresql():
        return f"= ANY(%s::{sql_type(field)}[])"
    return "IN (SELECT value FROM json_each(%s))"


def keys_text(field: Field[Any, Any], keys: Collection[Any]) -> str:
    """The parameter for ``any_of``."""
    if is_postgresql():
        return array_text(keys)
    return orjson.dumps([field.get_db_prep_value(key, connection) for key in keys]).decode()


def given_rows(
    name: str, fields: Mapping[str, Field[Any, Any]], columns: Sequence[Sequence[Any]]
) -> tuple[str, list[Any]]:
    """Rows of given values as a table in a statement: what stands after ``FROM``, and the parameters.

    Args:
        name: what the statement calls the table.
        fields: by the names of its columns, the fields whose values they hold.
        columns: the values of each column, as many in each.
    """
    if is_postgresql():
        casts = ", ".join(f"%s::{sql_type(field)}[]" for field in fields.values())
        return f"unnest({casts}) AS {name}({', '.join(fields)})", [array_text(cells) for cells in columns]
    prepared = [
        [field.get_db_prep_save(cell, connection) for cell in cells]
        for field, cells in zip(fields.values(), columns, strict=True)
    ]
    extracted = ", ".join(
        f"json_extract(value, '$[{index}]') AS {column}" for index, column in enumerate(fields)
    )
    text = orjson.dumps(list(zip(*prepared, strict=True))).decode()
    return f"(SELECT {extracted} FROM json_each(%s)) AS {name}", [text]  # noqa: S608 (no input)


def array_text(cells: Collection[Any]) -> str:
    """PostgreSQL's text form of an array; each element as text that the array's type reads back."""
    if set(map(type, cells)) == {int}:
        return f"{{{str(list(cells))[1:-1]}}}"
    return f"{{{','.join([_PLAIN.get(type(cell), _quoted)(cell) for cell in cells])}}}"


def sql_type(field: Field[Any, Any]) -> str:
    """The type to cast a parameter to, that holds a value of this field."""
    # A serial column's own type is no type to cast to; what refers to it has the integer type.
    serial: Any = field if isinstance(field, AutoField) else None
    return _LENGTH.sub("", serial.rel_db_type(connection) if serial else field.db_type(connection) or "text")


def _quoted(cell: Any) -> str:
    text = str(cell).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
