"""The rows that the list shows and that an export writes, and the event types that its filter offers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery, prefetch_related_objects

from notifications.models import Change, ChangeKind, Event, Notification
from notifications.selectors.staff.users import username_field


def rows_by_key(rows: QuerySet[Notification], keys: Sequence[int]) -> list[Notification]:
    """Read those of some notifications that have these keys, in the order of the keys. Two queries.

    Each has a list ``deletions``: the change that deleted it, if there is one, with its reason.
    """
    found = rows.in_bulk(list(keys))
    shown = [found[key] for key in keys if key in found]
    deletions = Change.objects.filter(kind=ChangeKind.DELETED).only("notification_id", "reason")
    prefetch_related_objects(shown, Prefetch("changes", queryset=deletions, to_attr="deletions"))
    return shown


def rows_to_export(keys: Sequence[int], *, without: Collection[str] = ()) -> list[Any]:
    """Notifications with their events, in the order of their keys. One query.

    Each has a ``username``, its recipient's, and a ``deletion``: why it was deleted, or None.

    Args:
        keys: their primary keys; those that are gone are left out.
        without: fields of the event that are not read.
    """
    reason = Change.objects.filter(notification=OuterRef("pk"), kind=ChangeKind.DELETED).values("reason")[:1]
    rows = Notification.objects.select_related("event").annotate(
        username=F(f"recipient__{username_field()}"), deletion=Subquery(reason)
    )
    found = rows.defer(*(f"event__{name}" for name in without)).in_bulk(list(keys))
    return [found[key] for key in keys if key in found]


def types_of_newest_events(limit: int) -> set[tuple[str, str]]:
    """The categories and types of the newest events, of which no class need be declared.

    One query of bounded cost.
    """
    return set(Event.objects.order_by("-id").values_list("category", "type")[:limit])
