"""What a withdrawal of some notifications would take back, before it does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifications.models import Broadcast, Event, Notification
from notifications.selectors.staff.counts import first_rows

Rows = QuerySet[Notification]
# Of what is neither deleted nor failed, somebody has it or is still to get it.
_AT_LARGE: Final = Q(deleted_at__isnull=True, failed_at__isnull=True)


class Withdrawable(NamedTuple):
    """Events of some notifications that can be taken back.

    Attributes:
        keys: primary keys of the events, the newest first.
        has_more: there are more of them.
        notifications: all that would be removed, whoever has them.
        unseen: those of them that nobody has seen yet, because they are scheduled or staged.
        beside: those of them that were not among the notifications that were chosen.
    """

    keys: list[int]
    has_more: bool
    notifications: Rows
    unseen: Rows
    beside: Rows


def withdrawable_events() -> QuerySet[Event]:
    """Events that can be taken back: they were not yet, and somebody has them, or is still to get them."""
    at_large = Notification.objects.filter(_AT_LARGE, event=OuterRef("pk"))
    sending = Broadcast.objects.filter(Broadcast.LIVE, event=OuterRef("pk"))
    return Event.objects.filter(Exists(at_large) | Exists(sending), withdrawn_at__isnull=True)


def withdrawable_of(rows: Rows, *, limit: int) -> Withdrawable:
    """Find what a withdrawal of some notifications would take back. One query.

    Args:
        rows: the notifications that are chosen, in no order.
        limit: events at most.
    """
    events = withdrawable_events().filter(pk__in=rows.values("event_id")).order_by("-pk")
    keys, has_more = first_rows(events.values_list("pk", flat=True), limit)
    notifications = Notification.objects.filter(_AT_LARGE, event_id__in=keys)
    return Withdrawable(
        keys=keys,
        has_more=has_more,
        notifications=notifications,
        unseen=notifications.filter(position__isnull=True),
        beside=notifications.exclude(pk__in=rows.values("pk")),
    )


def notifications_at_large(event_id: int) -> Rows:
    """The notifications of an event that somebody has, or is still to get."""
    return Notification.objects.filter(_AT_LARGE, event_id=event_id)


def broadcasts_of(event_ids: Collection[int]) -> list[Broadcast]:
    """The broadcasts that send some events. One query."""
    return list(Broadcast.objects.filter(event_id__in=event_ids))


def notifications_named(public_ids: Collection[UUID], *, event_ids: Collection[int]) -> Rows:
    """Find those of some notifications that are of some events."""
    return Notification.objects.filter(public_id__in=public_ids, event_id__in=event_ids)


def newest_key() -> int:
    """The primary key of the newest notification; 0 when there is none. One query."""
    return Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
