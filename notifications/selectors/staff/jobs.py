"""Broadcasts and replays, as the pages of the admin show them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, QuerySet

from notifications.models import Broadcast, Job, Notification


def live_jobs(model: type[Job], *, limit: int) -> list[Any]:
    """The jobs of a kind that have not ended, oldest first. One query."""
    return list(model._default_manager.filter(Job.LIVE).order_by("created_at")[:limit])


def with_is_staged(broadcasts: QuerySet[Any]) -> QuerySet[Any]:
    """Broadcasts, each with ``is_staged``: a scheduled one still waits in some inbox."""
    waiting = Notification.objects.filter(
        Notification.STAGED, deliver_at=OuterRef("deliver_at"), event_id=OuterRef("event_id")
    )
    rows: QuerySet[Any] = broadcasts.annotate(is_staged=Exists(waiting))
    return rows


def count_staged(broadcast: Broadcast, *, limit: int) -> int:
    """Count the inboxes in which a scheduled broadcast still waits, as far as a limit. One query."""
    waiting = Notification.objects.filter(
        Notification.STAGED, deliver_at=broadcast.deliver_at, event_id=broadcast.event_id
    )
    return waiting[:limit].count()


def count_failed(event_id: int, *, limit: int) -> int:
    """Count the failed notifications of an event, as far as a limit. One query."""
    return Notification.objects.filter(event_id=event_id, failed_at__isnull=False)[:limit].count()


def group_names(keys: Collection[int], *, limit: int) -> list[str]:
    """The first names of some groups, in order. One query."""
    groups = Group.objects.filter(pk__in=keys).order_by("name")
    return list(groups.values_list("name", flat=True)[:limit])


def notifications_with_event(public_ids: Iterable[UUID | str]) -> QuerySet[Notification]:
    """Notifications by their ids, with recipient and event, without the long texts."""
    named = Notification.objects.filter(public_id__in=public_ids).select_related("recipient", "event")
    return named.defer("event__body", "event__data")
