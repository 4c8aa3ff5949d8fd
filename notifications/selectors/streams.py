"""Reads of the stream records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from notifications.conf import hub_config
from notifications.models import StreamSession, Worker


def is_worker_alive() -> Exists:
    """Return the condition that the worker of a stream's row has shown a sign of life of late.

    "Of late" goes by the database's clock and the setting ``worker_lost_seconds``.
    """
    seen_after = Now() - timedelta(seconds=hub_config().worker_lost_seconds)
    return Exists(Worker.objects.filter(pk=OuterRef("worker_id"), ended_at=None, seen_at__gt=seen_after))


def open_streams(user_id: Any) -> list[StreamSession]:
    """Return a user's open streams with their workers, oldest first. One query.

    The streams of workers that are lost count as closed.
    """
    rows = StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive(), user_id=user_id)
    return list(rows.select_related("worker").order_by("pk"))


def streams_requested_to_end(worker_id: UUID) -> dict[UUID, str]:
    """Return the streams of a process that somebody else has ended, each with the reason. One query."""
    ended = StreamSession.objects.filter(~Q(requested_end=""), worker_id=worker_id)
    return dict(ended.values_list("pk", "requested_end"))


def open_streams_of_worker(worker_id: UUID) -> list[UUID]:
    """Return the keys of the streams that are on record as open in a process. One query."""
    rows = StreamSession.objects.filter(StreamSession.OPEN, worker_id=worker_id)
    return list(rows.values_list("pk", flat=True))
