"""Changes as staff watch and replay them: of all inboxes in the order of their ids, or of one in the order of
its log.
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
    """A change with what staff are told of it; those of its notification and event are None for
    ``read_all``."""

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
    """The greatest id of any change; 0 when there is none. One query."""
    return Change.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def change_ids(*, after: int, up_to: int) -> list[int]:
    """The ids that there are in a span, in order. One query."""
    rows = Change.objects.filter(pk__gt=after, pk__lte=up_to).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def changes_by_id(*, after: int, limit: int) -> list[WatchedChange]:
    """The first changes with greater ids, in order. One query.

    Ids of transactions that run together are committed in any order: what is read here may be followed by
    lesser ids.
    """
    return _watched(Change.objects.filter(pk__gt=after).order_by("pk")[:limit])


def changes_within(spans: Sequence[tuple[int, int]], *, limit: int) -> list[WatchedChange]:
    """The changes whose ids lie in any of some spans, both ends included, in order. One query; PostgreSQL
    only.
    """
    keys = RawSQL(  # noqa: S611 (no input)
        f"""SELECT c.id FROM unnest(%s::bigint[], %s::bigint[]) AS s(first, last)
            JOIN {table(Change)} c ON c.id BETWEEN s.first AND s.last""",  # noqa: S608 (no input)
        ([first for first, _ in spans], [last for _, last in spans]),
    )
    return _watched(Change.objects.filter(pk__in=keys).order_by("pk")[:limit])


def changes_of_inbox(user_id: Any, *, after: int, up_to: int, limit: int) -> list[WatchedChange]:
    """The log of one inbox from ``after`` (exclusive) to ``up_to`` (inclusive), oldest first. One query."""
    rows = Change.objects.filter(inbox_id=user_id, position__gt=after, position__lte=up_to)
    return _watched(rows.order_by("position")[:limit])


def transaction_horizon() -> int:
    """The oldest transaction that has not ended: what all older ones did is seen by whoever reads from now
    on. PostgreSQL only.
    """
    return _number("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


def transaction_mark() -> int:
    """A number above that of every transaction that has one by now. Uses up one number, and writes nothing.
    PostgreSQL only.
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
