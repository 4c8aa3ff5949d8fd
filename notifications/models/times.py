"""Columns of times that may be written by programs which know nothing but the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from notifications.sql.dialect import is_postgresql

if TYPE_CHECKING:
    _AnyDateTimeField = models.DateTimeField[Any, Any]
else:  # at run time it takes no parameters
    _AnyDateTimeField = models.DateTimeField


class ReadableDateTimeField(_AnyDateTimeField):
    """A time that is read as None if Python cannot represent it.

    PostgreSQL has times, and infinity, that Python cannot represent: its driver raises, and whatever else the
    query has found is lost. From SQLite, Django itself reads as None what is no time.
    """

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Return the SQL that selects the column."""
        if not is_postgresql(compiler.connection):
            return sql, params
        is_readable = f"{sql} >= '0001-01-01 00:00:00+00' AND {sql} < '10000-01-01 00:00:00+00'"
        return f"CASE WHEN {is_readable} THEN {sql} END", [*params, *params, *params]

    def deconstruct(self) -> Any:
        """Return a ``DateTimeField`` for migrations, as it is one to the database."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
