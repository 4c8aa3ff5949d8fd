"""Reads of the record of streams."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from notifications.conf import hub_config
from notifications.models import StreamSession, Worker


def is_worker_alive() -> Exists:
    """Whether the worker of a stream's row has shown a sign of life of late, by the database's clock; a part
    of other queries.
    """
    seen_after = Now() - timedelta(seconds=hub_config().worker_lost_seconds)
    return Exists(Worker.objects.filter(pk=OuterRef("worker_id"), ended_at=None, seen_at__gt=seen_after))


def open_streams(user_id: Any) -> list[StreamSession]:
    """A user's open streams with their processes, oldest first; those of processes that are lost are none.
    One query.
    """
    rows = StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive(), user_id=user_id)
    return list(rows.select_related("worker").order_by("pk"))


def streams_asked_to_end(worker_id: UUID) -> dict[UUID, str]:
    """Those of a process's streams that somebody else has ended, each with the reason. One query."""
    asked = StreamSession.objects.filter(~Q(asked=""), worker_id=worker_id)
    return dict(asked.values_list("pk", "asked"))


def open_streams_of_worker(worker_id: UUID) -> list[UUID]:
    """The keys of the streams that are on record as open in a process. One query."""
    rows = StreamSession.objects.filter(StreamSession.OPEN, worker_id=worker_id)
    return list(rows.values_list("pk", flat=True))
