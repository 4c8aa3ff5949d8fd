"""Reads of the logs of changes.

Times and ids come as texts of the wire, written by the database: the driver's objects for them cost more than
the rest of a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.db import connection
from django.db.models import Exists, Func, OuterRef, Q, TextField
from django.db.models.expressions import RawSQL

from notifications.exceptions import CursorExpired
from notifications.filters import NO_FILTERS, Filters
from notifications.models import Change, ChangeKind, Inbox
from notifications.notification_states import STATE
from notifications.payloads import ChangeRow
from notifications.protocol.cursors import Cursor
from notifications.selectors.listing import condition
from notifications.sql.arrays import sql_type
from notifications.sql.dialect import is_postgresql, table
from notifications.sql.prepared import Prepared, Slot, Slots


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


_CHANGE_COLUMNS: Final[tuple[str | Func, ...]] = (
    "inbox_id", "position", "kind", WireTime("at"), "unread_count", "up_to", "read_category", "reason",
    "created_position", WireTime("created_at"), WireId("notification__public_id"),
    WireId("notification__replay_of"), "event__type", "event__category", "event__topic", "event__level",
    "event__title", "event__body", "event__url", "event__actor", "event__actions", "event__data",
    WireTime("event__expires_at"), *map(WireTime, STATE),
)  # fmt: skip


def changes_after(
    user_id: Any,
    *,
    after: int,
    up_to: int,
    limit: int,
    filters: Filters = NO_FILTERS,
    floor: int = 0,
    compacted_to: int = 0,
) -> list[ChangeRow]:
    """Return the log of one inbox from ``after`` (exclusive) to ``up_to`` (inclusive), oldest first.

    One query, two if there are no rows. With ``filters``, changes of notifications that do not match are left
    out; ``read_all`` always stays.

    Args:
        floor: for reading the base state itself, the floor when that reading began: it must still be the
            same.
        compacted_to: leave out each change that a later one of the same notification, at or below this
            position, supersedes.

    Raises:
        CursorExpired: meanwhile the log has been compacted past ``after``, so that a fold from there would be
            wrong.
    """
    matching = condition(filters, source="event__") | Q(kind=ChangeKind.READ_ALL) if filters else Q()
    if compacted_to:
        # One look at an index for each change, which ends at the first later one. All-read has no
        # notification.
        later = Change.objects.filter(
            notification_id=OuterRef("notification_id"),
            position__gt=OuterRef("position"),
            position__lte=compacted_to,
        )
        matching &= Q(~Exists(later))
    rows = (
        Change.objects.filter(matching, inbox_id=user_id, position__gt=after, position__lte=up_to)
        .order_by("position")
        .values_list(*_CHANGE_COLUMNS, "inbox__epoch", "inbox__head", "inbox__floor")[:limit]
    )
    # One statement, so one snapshot: these rows are complete if this floor has not passed them.
    found = list(rows)
    inbox = Inbox.objects.filter(pk=user_id).values_list("epoch", "head", "floor")
    for epoch, head, floor_now in [found[0][-3:]] if found else inbox:
        if floor_now > max(after, floor):
            raise CursorExpired(head=str(Cursor(epoch, head)))
    return [ChangeRow(*row[:-3]) for row in found]


def changes_since(positions: Mapping[Any, int], *, limit: int) -> dict[Any, list[ChangeRow]]:
    """Return the logs of several inboxes, each from its own position (exclusive), oldest first. One query.

    Args:
        positions: for each user's primary key, the last position that is known.
        limit: changes of one inbox at most.
    """
    rows = _SINCE.rows(keys=list(positions), positions=list(positions.values()), pairs=positions, limit=limit)
    logs: dict[Any, list[ChangeRow]] = {}
    for row in map(ChangeRow._make, rows):
        logs.setdefault(row.inbox_id, []).append(row)
    return logs


class _Pairs(Slot):
    """A parameter that holds keys and numbers as one list.

    If it joined two lists, SQLite would look at each number for each key.
    """

    def prepare(self, value: Any) -> str:
        """Return the parameter for all pairs."""
        prepare = self.output_field.get_db_prep_value
        return json.dumps([(prepare(key, connection), number) for key, number in value.items()])


def _after_each() -> RawSQL:
    """Return a subquery for the keys of up to ``limit`` changes after each inbox's position.

    With one condition for each inbox it would take some 100 µs of Python an inbox, and SQLite nests no more
    than 1,000 conditions.
    """
    key, number = Inbox._meta.pk, Inbox._meta.get_field("head")
    if is_postgresql():
        given = f"unnest(%s::{sql_type(key)}[], %s::bigint[]) AS w(inbox_id, after)"
        slots: list[Slot] = [Slots("keys", key), Slots("positions", number)]
    else:
        columns = "json_extract(value, '$[0]') AS inbox_id, json_extract(value, '$[1]') AS after"
        given = f"(SELECT {columns} FROM json_each(%s)) AS w"  # noqa: S608 (no input)
        slots = [_Pairs("pairs", key)]
    return RawSQL(  # noqa: S611 (no input)
        f"""SELECT c.id FROM {given} JOIN {table(Change)} c ON c.inbox_id = w.inbox_id
            AND c.position > w.after AND c.position <= w.after + %s""",  # noqa: S608 (no input)
        (*slots, Slot("limit", number)),
    )


_SINCE: Final = Prepared(
    lambda: (
        Change.objects.filter(pk__in=_after_each())
        .order_by("inbox_id", "position")
        .values_list(*_CHANGE_COLUMNS)
    )
)
