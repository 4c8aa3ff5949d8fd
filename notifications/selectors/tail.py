"""Reads of changes for staff who watch or replay them.

Those of all inboxes come in the order of their ids, those of one inbox in the order of its log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.expressions import RawSQL

from notifications.models import Change
from notifications.sql.dialect import table

_COLUMNS: Final = (
    "id", "inbox_id", "inbox__epoch", "position", "kind", "at", "unread_count", "up_to", "read_category",
    "reason", "by", "via", "notification__public_id", "event__type", "event__category", "event__topic",
    "event__level", "event__title",
)  # fmt: skip


class WatchedChange(NamedTuple):
    """A change with what staff are told of it.

    The fields of its notification and event are None for ``read_all``, which alone has ``up_to`` and
    ``read_category``.
    """

    id: int
    user_id: Any
    epoch: str
    position: int
    kind: str
    at: datetime
    unread_count: int
    up_to: int | None
    read_category: str
    reason: str
    by: str
    via: str
    public_id: UUID | None
    type: str | None
    category: str | None
    topic: str | None
    level: str | None
    title: str | None
    username: str


def newest_change_id() -> int:
    """Return the greatest id of any change; 0 without changes. One query."""
    return Change.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def change_ids(*, after: int, up_to: int) -> list[int]:
    """Return the ids of the changes in a range, in order. One query."""
    rows = Change.objects.filter(pk__gt=after, pk__lte=up_to).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def changes_by_id(*, after: int, limit: int) -> list[WatchedChange]:
    """Return the first changes with ids greater than ``after``, in order. One query.

    Transactions that run at the same time commit their ids in any order: lesser ids may appear later than
    those read here.
    """
    return _watched(Change.objects.filter(pk__gt=after).order_by("pk")[:limit])


def changes_within(spans: Sequence[tuple[int, int]], *, limit: int) -> list[WatchedChange]:
    """Return the changes whose ids lie in any of the ranges, both ends included, in order.

    One query; PostgreSQL only.
    """
    keys = RawSQL(  # noqa: S611 (no input)
        f"""SELECT c.id FROM unnest(%s::bigint[], %s::bigint[]) AS s(first, last)
            JOIN {table(Change)} c ON c.id BETWEEN s.first AND s.last""",  # noqa: S608 (no input)
        ([first for first, _ in spans], [last for _, last in spans]),
    )
    return _watched(Change.objects.filter(pk__in=keys).order_by("pk")[:limit])


def changes_of_inbox(user_id: Any, *, after: int, up_to: int, limit: int) -> list[WatchedChange]:
    """Return the log of one inbox from ``after`` (exclusive) to ``up_to`` (inclusive), oldest first.

    One query.
    """
    rows = Change.objects.filter(inbox_id=user_id, position__gt=after, position__lte=up_to)
    return _watched(rows.order_by("position")[:limit])


def transaction_horizon() -> int:
    """Return the number of the oldest transaction that has not ended. PostgreSQL only.

    Whoever reads from now on sees what all older transactions did.
    """
    return _number("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


def transaction_mark() -> int:
    """Return a number above that of every transaction that has one by now. PostgreSQL only.

    It uses up one transaction number, and writes nothing.
    """
    return _number("SELECT pg_current_xact_id()::text::bigint")


def _number(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


def _watched(rows: Any) -> list[WatchedChange]:
    name = f"inbox__user__{get_user_model().USERNAME_FIELD}"
    found: Iterable[Any] = rows.values_list(*_COLUMNS, name)
    return [WatchedChange._make((*row[:-1], str(row[-1]))) for row in found]
