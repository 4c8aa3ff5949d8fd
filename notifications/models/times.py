"""Columns of times that programs write who know the tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from notifications.sql.dialect import is_postgresql

if TYPE_CHECKING:
    _AnyDateTimeField = models.DateTimeField[Any, Any]
else:  # at run time it takes no parameters
    _AnyDateTimeField = models.DateTimeField


class ReadableDateTimeField(_AnyDateTimeField):
    """A time; one that Python cannot read is read as none.

    PostgreSQL has times, and infinity, for which Python has no form: its driver raises, and whatever else the
    query has found is lost. From SQLite Django reads as none what is no time.
    """

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """What stands in a query for the column."""
        if not is_postgresql(compiler.connection):
            return sql, params
        is_readable = f"{sql} >= '0001-01-01 00:00:00+00' AND {sql} < '10000-01-01 00:00:00+00'"
        return f"CASE WHEN {is_readable} THEN {sql} END", [*params, *params, *params]

    def deconstruct(self) -> Any:
        """To migrations it is a ``DateTimeField``, as it is to the database."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
