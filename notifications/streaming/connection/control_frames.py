"""The frames of a stream that are no change, in the form that its client wants.

A reader of the Range dialect sees signals and nothing else: for it they are silent, and only move its cursor.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from notifications.payloads import inbox_name, timestamp
from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.streaming import frames, timing
from notifications.streaming.connection.log_position import Plan
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.frames import Ending, ResetReason


def opening(request: StreamRequest, *, key: UUID, state: InboxState, plan: Plan) -> bytes:
    """What every stream begins with: ``stream.open``, and the reset that the plan wants, in one write."""
    opened = frames.opened(
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
    first = _for(request, opened)
    return (
        first if plan.reset is None else first + reset(request, reason=plan.reset, cursor=str(state.cursor))
    )


def reset(request: StreamRequest, *, reason: ResetReason, cursor: str) -> bytes:
    """``stream.reset``."""
    return _for(request, frames.reset(reason=reason, cursor=cursor))


def live(request: StreamRequest, *, cursor: str, replayed: int) -> bytes:
    """``stream.live``."""
    return _for(request, frames.live(cursor=cursor, replayed=replayed))


def heartbeat(request: StreamRequest, *, cursor: str, head: str) -> bytes:
    """``stream.heartbeat``, as of now."""
    return _for(request, frames.heartbeat(cursor=cursor, head=head, at=timestamp(datetime.now(UTC))))


def closed(request: StreamRequest, ending: Ending) -> bytes:
    """``stream.close``. A ticket is used up, so whoever came with one needs another."""
    is_restart = request.takes_signals and ending.reason == "shutdown"
    retry_ms = timing.restart_ms() if is_restart else timing.retry_ms(ending.reason)
    reconnect = ending.reconnect and request.ticket is None
    return _for(request, frames.closed(reason=ending.reason, retry_ms=retry_ms, reconnect=reconnect))


def _for(request: StreamRequest, frame: bytes) -> bytes:
    return frames.silent(frame, retry_ms=timing.retry_ms()) if request.takes_signals else frame
