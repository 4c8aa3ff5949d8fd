"""Reads of the users whose inboxes have work that is due, for the sequencer and the sweeper."""

from __future__ import annotations

from typing import Any

from notifications.models import Notification


def recipients_with_staged(now: Any, *, after: Any = None, limit: int) -> list[Any]:
    """Return users who have staged notifications that are due. One query, no lock.

    Args:
        now: what is scheduled for a later time is not due.
        after: only users with greater keys, for the next part; None for the first.
        limit: users at most, in the order of their keys.
    """
    staged = Notification.objects.filter(Notification.STAGED).order_by()
    if after is not None:
        staged = staged.filter(recipient_id__gt=after)
    # Not one OR: each half has a partial index, and behind an OR SQLite finds neither.
    keys = staged.values("pk")
    due = keys.filter(deliver_at__isnull=True).union(keys.filter(deliver_at__lte=now), all=True)
    rows = Notification.objects.filter(pk__in=due).order_by("recipient_id")
    return list(rows.values_list("recipient_id", flat=True).distinct()[:limit])


def recipients_with_expired(now: Any, *, limit: int) -> list[Any]:
    """Return the users of the ``limit`` listed notifications that expired first. One query, no lock."""
    rows = Notification.objects.filter(Notification.LISTED, expires_at__lte=now).order_by("expires_at")
    return list(dict.fromkeys(rows.values_list("recipient_id", flat=True)[:limit]))
