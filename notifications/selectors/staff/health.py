"""Who is connected, which processes serve, and what needs looking after soon: numbers for the dashboard."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count

from notifications.models import ApiToken, StreamSession, Worker
from notifications.selectors.streams import is_worker_alive


def count_open_streams() -> int:
    """Count the open streams of processes that show signs of life. One query."""
    return StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive()).count()


def live_workers(*, seen_after: datetime, limit: int) -> list[tuple[Worker, int]]:
    """The workers that were seen after a time, each with how many streams it has open. Two queries."""
    workers = Worker.objects.filter(ended_at=None, seen_at__gt=seen_after).order_by("host", "pid")
    open_streams = StreamSession.objects.filter(StreamSession.OPEN)
    open_by_worker = dict(open_streams.values_list("worker_id").annotate(n=Count("pk")))
    return [(worker, open_by_worker.get(worker.pk, 0)) for worker in workers[:limit]]


def count_tokens_ending(now: datetime, *, within: timedelta) -> int:
    """Count the usable API tokens that end within a time from now. One query."""
    ending = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + within)
    return ending.count()
