"""Times and ids as texts of the wire, written by the database.

The driver's objects for them cost more than the rest of a row.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Func, TextField


class WireTime(Func):
    """A time as ``payloads.timestamp`` writes it."""

    arity = 1
    output_field = TextField()
    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """SQLite has text, in UTC, without what is zero at its end."""
        template = (
            "(replace(substr(%(expressions)s, 1, 19), ' ', 'T') || '.'"
            " || substr(substr(%(expressions)s, 21) || '000000', 1, 6) || 'Z')"
        )
        return self.as_sql(compiler, connection, template=template, **context)


class WireId(Func):
    """A UUID as the wire has it."""

    arity = 1
    output_field = TextField()
    template = "(%(expressions)s)::text"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """SQLite has the digits alone."""
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        template = " || '-' || ".join(f"substr(%(expressions)s, {first}, {count})" for first, count in parts)
        return self.as_sql(compiler, connection, template=f"({template})", **context)
