"""How many notifications there are, counted where these are few and estimated where they are many.

For a list it is enough to know its first rows, and whether there are more.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Max, QuerySet

from notifications.models import Notification
from notifications.sql.dialect import estimated_row_count, is_postgresql

# Up to here everything is counted exactly; beyond it PostgreSQL is asked for its estimate.
MAX_COUNT: Final = 10_000


@dataclass(frozen=True, slots=True)
class RowCount:
    """A number of rows, which may be an estimate.

    Attributes:
        count: exactly, or about so many.
        is_estimate: it is not exact.
        is_more: there are more than this, and nobody knows how many.
    """

    count: int
    is_estimate: bool = False
    is_more: bool = False


def count_rows(rows: QuerySet[Notification]) -> RowCount:
    """Count some notifications: exactly as far as ``MAX_COUNT``, else as PostgreSQL estimates.

    Two queries at most.
    """
    rows = rows.order_by()
    counted = rows[: MAX_COUNT + 1].count()
    if counted <= MAX_COUNT:
        return RowCount(counted)
    if is_postgresql():
        plan = json.loads(rows.explain(format="json"))
        return RowCount(max(int(plan[0]["Plan"]["Plan Rows"]), counted), is_estimate=True)
    return RowCount(MAX_COUNT, is_estimate=True, is_more=True)


def estimated_total() -> int:
    """About how many notifications there are at all. One query.

    PostgreSQL has its own estimate; elsewhere it is the newest key, which is no less.
    """
    if is_postgresql():
        return estimated_row_count(Notification)
    return int(Notification.objects.aggregate(newest=Max("pk"))["newest"] or 0)


def newest_of(rows: QuerySet[Notification], *, limit: int) -> list[Notification]:
    """The newest of some notifications, with recipient and event, without the long texts. One query."""
    rows = rows.select_related("recipient", "event").defer("event__body", "event__data")
    return list(rows.order_by("-pk")[:limit])


def count_other_recipients(notification: Notification, *, max_rows: int) -> RowCount:
    """Count the other users who were sent the same event, each once however often. One query.

    Args:
        notification: one of the event's.
        max_rows: no more notifications are looked at; where there are as many, there may be more users.
    """
    same = Notification.objects.filter(event_id=notification.event_id)
    same = same.exclude(recipient_id=notification.recipient_id)
    recipients = list(same.values_list("recipient_id", flat=True)[:max_rows])
    return RowCount(len(set(recipients)), is_more=len(recipients) == max_rows)


def count_failed(public_ids: Collection[UUID]) -> int:
    """Count how many of some notifications have failed. One query."""
    return Notification.objects.filter(public_id__in=public_ids, failed_at__isnull=False).count()


def first_rows(rows: QuerySet[Any, Any], limit: int) -> tuple[list[Any], bool]:
    """The first rows of a list, and whether it has more than these. One query, of one row more."""
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit
