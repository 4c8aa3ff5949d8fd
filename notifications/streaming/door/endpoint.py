"""The stream's ASGI application: guard, credential, slot, and then the connection itself.

It is a plain callable and no Channels consumer, whose loop would see neither the disconnect nor a group's
messages.
"""

from __future__ import annotations

import asyncio
import logging

from notifications.conf import hub_config
from notifications.exceptions import StreamLimit
from notifications.models import EndReason, new_public_id
from notifications.streaming.asgi import SECURITY_HEADERS, HeaderList, Headers, Receive, Scope, Send
from notifications.streaming.connection import control_frames
from notifications.streaming.connection.admission import LineFull
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.connection.transport import SERVER_SEND, transport_of
from notifications.streaming.database_threads import in_pool
from notifications.streaming.door import guard
from notifications.streaming.door.authorization import Opening
from notifications.streaming.door.refusals import (
    send_closed_stream,
    send_refusal,
    send_stream_headers,
    send_whole,
)
from notifications.streaming.frames import CloseReason, Ending
from notifications.streaming.metrics import METRICS
from notifications.streaming.process.runtime import Runtime, current_runtime
from notifications.streaming.refusal import Refusal
from notifications.streaming.tasks import disconnected, ended_before

logger = logging.getLogger(__name__)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request for a stream (protocol, section 6)."""
    # What the opening needed is gone while the stream is open: that is a third of its memory.
    begun = await _begin(scope, receive, send)
    if begun is not None:
        if isinstance(scope["headers"], list):
            scope[
                "headers"
            ].clear()  # the server keeps them, secrets and all, for as long as it keeps the request
        await current_runtime().serve(*begun)


async def _begin(scope: Scope, receive: Receive, send: Send) -> tuple[Connection, Receive] | None:
    """The connection that was asked for, and what tells of its disconnect; None when the request has been
    answered.
    """
    headers = Headers(scope)
    common = guard.cors_headers(headers)
    try:
        if preflight := guard.preflight_headers(scope, headers):
            await send_whole(send, 204, [*SECURITY_HEADERS, *preflight])
            return None
        request = guard.check(scope, headers)
    except Refusal as refusal:
        METRICS.refused[refusal.code] += 1
        await send_refusal(send, refusal, common)
        return None
    opening = asyncio.ensure_future(_open(scope, headers, request, send, common))
    if await ended_before(disconnected(receive), opening):
        receive = _gone
    try:
        connection = await opening
    except asyncio.CancelledError:
        if receive is not _gone:
            raise
        METRICS.refused["gone"] += 1
    except Refusal as refusal:
        METRICS.refused[refusal.code] += 1
        await _refuse(send, refusal, request, common)
    else:
        if connection is not None:
            return connection, receive
        await send_stream_headers(send, common)
    return None


async def _gone() -> dict[str, str]:
    """What ``receive`` gives once the client has gone; not every server says so twice."""
    return {"type": "http.disconnect"}


async def _open(
    scope: Scope, headers: Headers, request: StreamRequest, send: Send, common: HeaderList
) -> Connection | None:
    """The connection that was asked for; None when only its headers were. Raises ``Refusal``.

    ``common``, the headers of every answer to this client, is told what is left of its user's limit as soon
    as that is known.
    """
    runtime = current_runtime()
    key = new_public_id()
    opening = Opening(key, scope, headers, request, runtime.opening_buckets)
    try:
        async with runtime.opening_turns.turn():
            _refuse_when_draining(runtime)
            if scope["method"] == "HEAD":
                await in_pool(opening.check)
                return None
            opened = await runtime.stream_records.open(key, opening.open)
    except Refusal:
        raise
    except StreamLimit as limit:
        raise Refusal(limit.code, str(limit), more={"limit": hub_config().max_streams_per_user}) from limit
    except LineFull:
        raise Refusal("unavailable", "Very many streams are being opened just now; try again.") from None
    except Exception as error:  # a database that cannot be had is no fault of the client
        logger.exception("A stream could not be opened")
        raise Refusal("unavailable") from error
    finally:
        common += opening.fields
    runtime.close(opened.replaced, "replaced")
    try:
        _refuse_when_draining(runtime)
    except Refusal:
        runtime.stream_records.note_end(key, EndReason.SHUTDOWN)
        raise
    return Connection(
        key=key,
        send=send,
        transport=transport_of(scope.get(SERVER_SEND)),
        request=request,
        credential=opened.credential,
        fanout=runtime.fanout,
        backlog_turns=runtime.backlog_turns,
        state=opened.inbox,
        plan=opened.plan,
        headers=common,
    )


def _refuse_when_draining(runtime: Runtime) -> None:
    if runtime.is_draining:
        raise Refusal("unavailable", "This process is stopping; try again.")


async def _refuse(send: Send, refusal: Refusal, request: StreamRequest, common: HeaderList) -> None:
    if request.takes_refusals_as_stream and refusal.status in (429, 503):
        reason: CloseReason = "shutdown" if current_runtime().is_draining else "error"
        if refusal.status == 429:
            reason = "limit"
        await send_closed_stream(send, control_frames.closed(request, Ending(reason)), common)
    else:
        await send_refusal(send, refusal, common)
