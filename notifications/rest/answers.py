"""The bodies of answers, built from rows; notifications and changes are inserted as the payloads' bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import orjson
from rest_framework.request import Request

from notifications.filters import Filters
from notifications.http.user_agents import describe_agent
from notifications.models import Broadcast, StreamSession
from notifications.payloads import (
    ChangeRow,
    NotificationRow,
    change_json,
    inbox_name,
    notification_json,
    timestamp,
)
from notifications.protocol.cursors import Cursor
from notifications.selectors import Counts, InboxState, Page
from notifications.services import Outcome

logger = logging.getLogger(__name__)
Row = TypeVar("Row", NotificationRow, ChangeRow)


def notification_body(row: NotificationRow) -> orjson.Fragment:
    """Return one notification."""
    return orjson.Fragment(notification_json(row))


def list_body(page: Page, filters: Filters, request: Request) -> dict[str, Any]:
    """Return a part of the list, with the URL of the next part, and its filters as they were understood."""
    return {
        "results": rendered(page.rows, notification_json),
        "next": None if page.next_before is None else next_url(request, page.next_before),
        "cursor": str(page.cursor),
        "unread_count": page.unread_count,
        "inbox": inbox_name(request.user.pk),
        "filters": filters.by_name,
    }


def next_url(request: Request, before: int) -> str:
    """Return the absolute URL of the part of the list below ``before``; every other parameter stays."""
    params = request.query_params.copy()
    params["before"] = str(before)
    url: str = request.build_absolute_uri(f"{request.path}?{params.urlencode()}")
    return url


def outcome_body(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of an action."""
    return {
        "changed": outcome.changed,
        "not_found": outcome.not_found,
        "cursor": str(outcome.inbox.cursor),
        "unread_count": outcome.inbox.unread_count,
    }


def changes_body(inbox: InboxState, rows: list[ChangeRow], *, up_to: int) -> dict[str, Any]:
    """Return a part of the log.

    Args:
        inbox: as it was before the rows were read; the log was read up to its head.
        rows: those that the client gets.
        up_to: the position up to which the client then has everything: the last row's, or the head when
            nothing more is to come. That also holds where filters left the last changes out; otherwise the
            cursor of a filtered client would stay behind until the log is compacted past it.
    """
    return {
        "changes": rendered(rows, lambda row: change_json(row, inbox.epoch)),
        "cursor": str(Cursor(inbox.epoch, up_to)),
        "has_more": up_to < inbox.head,
        "unread_count": inbox.unread_count,
        "inbox": inbox_name(inbox.user_id),
    }


def counts_body(counts: Counts, user_id: Any) -> dict[str, Any]:
    """Return how many notifications are unread in a user's inbox."""
    return {
        "unread": counts.unread_count,
        "by_category": counts.by_category,
        "cursor": str(counts.cursor),
        "inbox": inbox_name(user_id),
    }


def streams_body(streams: Iterable[StreamSession]) -> dict[str, Any]:
    """Return open streams. How far each has come is known as of a few seconds ago."""
    return {
        "results": [
            {
                "id": stream.pk,
                "client": stream.client,
                "device": describe_agent(stream.agent),
                "agent": stream.agent,
                "address": stream.address,
                "opened_by": stream.opened_by,
                "opened_at": timestamp(stream.opened_at),
                "filters": stream.filters,
                "resume": stream.resume,
                "cursor": str(Cursor(stream.epoch, stream.position)),
            }
            for stream in streams
        ]
    }


def job_body(job: Broadcast) -> dict[str, Any]:
    """Return the progress of a broadcast."""
    return {
        "id": str(job.pk),
        "state": job.state,
        "total": job.total_count,
        "done": job.done_count,
        "failed": job.failed_count,
        "rate": job.rate,
        "created_at": timestamp(job.created_at),
        "started_at": job.started_at and timestamp(job.started_at),
        "finished_at": job.finished_at and timestamp(job.finished_at),
    }


def rendered(rows: Iterable[Row], render: Callable[[Row], bytes]) -> list[orjson.Fragment]:
    """Render rows; one that cannot be rendered is left out, so that it breaks nothing else."""
    fragments = []
    for row in rows:
        try:
            fragments.append(orjson.Fragment(render(row)))
        except Exception:
            logger.exception(
                "The notification at position %s cannot be rendered and is left out", row.position
            )
    return fragments
