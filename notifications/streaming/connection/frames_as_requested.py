"""The frames of a stream that are no changes, in the form that its client wants.

A reader of the Range dialect may see only signals. For it, these frames carry nothing but ``retry:`` and
``id:``, which move its cursor.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from notifications.payloads import inbox_name, timestamp
from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.streaming import frames, timing
from notifications.streaming.connection.log_position import ResumePlan
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.frames import Ending, ResetReason


def stream_open(request: StreamRequest, *, key: UUID, state: InboxState, plan: ResumePlan) -> bytes:
    """Return ``stream.open``, followed by ``stream.reset`` if the plan says so, as one write."""
    opened = frames.stream_open(
        stream=str(key),
        inbox=inbox_name(state.user_id),
        cursor=str(Cursor(state.epoch, plan.start)),
        head=str(state.cursor),
        unread_count=state.unread_count,
        heartbeat_seconds=request.heartbeat_seconds,
        filters=request.filters.by_name,
        resume=plan.resume,
        retry_ms=timing.retry_ms(),
    )
    first = _in_form(request, opened)
    if plan.reset is None:
        return first
    return first + stream_reset(request, reason=plan.reset, cursor=str(state.cursor))


def stream_reset(request: StreamRequest, *, reason: ResetReason, cursor: str) -> bytes:
    """Return ``stream.reset``."""
    return _in_form(request, frames.stream_reset(reason=reason, cursor=cursor))


def stream_live(request: StreamRequest, *, cursor: str, replayed: int) -> bytes:
    """Return ``stream.live``."""
    return _in_form(request, frames.stream_live(cursor=cursor, replayed=replayed))


def stream_heartbeat(request: StreamRequest, *, cursor: str, head: str) -> bytes:
    """Return ``stream.heartbeat`` with the time of now."""
    now = timestamp(datetime.now(UTC))
    return _in_form(request, frames.stream_heartbeat(cursor=cursor, head=head, at=now))


def stream_close(request: StreamRequest, ending: Ending) -> bytes:
    """Return ``stream.close``.

    A client that came with a ticket is never told to reconnect: a ticket opens one stream, and it needs
    another one.
    """
    is_restart = request.takes_signals and ending.reason == "shutdown"
    retry_ms = timing.restart_ms() if is_restart else timing.retry_ms(ending.reason)
    reconnect = ending.reconnect and request.ticket is None
    return _in_form(
        request, frames.stream_close(reason=ending.reason, retry_ms=retry_ms, reconnect=reconnect)
    )


def _in_form(request: StreamRequest, frame: bytes) -> bytes:
    return frames.without_data(frame, retry_ms=timing.retry_ms()) if request.takes_signals else frame
