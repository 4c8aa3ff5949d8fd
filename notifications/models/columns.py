"""Columns of several tables: keys that the hub makes itself, and times that any program may have written."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import uuid_utils.compat
from django.db import models

from notifications.sql.dialect import is_postgresql

if TYPE_CHECKING:
    _AnyDateTimeField = models.DateTimeField[Any, Any]
else:  # at run time it takes no parameters
    _AnyDateTimeField = models.DateTimeField


def new_public_id() -> uuid.UUID:
    """Return a new UUIDv7 (RFC 9562), which is unique over all processes and ascends with time."""
    return uuid_utils.compat.uuid7()


def made_at(key: uuid.UUID) -> datetime | None:
    """Return when a UUIDv7 was made, to the millisecond; None for a UUID of another version."""
    if key.version != 7:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=key.int >> 80)


def staged_at(public_id: uuid.UUID, stored_at: datetime) -> datetime:
    """Return when a notification was staged.

    That may be long after its event was stored: a chunk of a broadcast waits for its turn, and what staff
    deliver again or copy belongs to an older event.

    Args:
        public_id: the notification's.
        stored_at: when its event was stored; returned if the id holds no time, or an earlier one.
    """
    return max(made_at(public_id) or stored_at, stored_at)


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
