"""The stream's ASGI application: guard, credential, slot, and then the connection itself.

It is a plain callable and not a Channels consumer, whose loop would see neither the disconnect nor a group's
messages.
"""

from __future__ import annotations

import asyncio
import logging

from notifications.conf import hub_config
from notifications.exceptions import StreamLimit
from notifications.models import EndReason, new_public_id
from notifications.streaming.asgi import (
    SECURITY_HEADERS,
    HeaderList,
    Headers,
    Receive,
    Scope,
    Send,
    send_whole,
)
from notifications.streaming.concurrency_limit import QueueFull
from notifications.streaming.connection import frames_as_requested
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.connection.transport import SERVER_SEND, transport_of
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door import guard
from notifications.streaming.door.opening import StreamOpening
from notifications.streaming.frames import CloseReason, Ending
from notifications.streaming.metrics import METRICS
from notifications.streaming.process.runtime import Runtime, current_runtime
from notifications.streaming.refusals import Refusal, send_closed_stream, send_refusal, send_stream_headers
from notifications.streaming.tasks import came_before_end, wait_for_disconnect

logger = logging.getLogger(__name__)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request for a stream (protocol, section 6)."""
    # _begin is a function of its own so that its objects, a third of a stream's memory, are freed before the
    # stream is served.
    opened = await _begin(scope, receive, send)
    if opened is not None:
        if isinstance(scope["headers"], list):
            # The server keeps the headers, credentials included, for as long as it keeps the request.
            scope["headers"].clear()
        await current_runtime().serve(*opened)


async def _begin(scope: Scope, receive: Receive, send: Send) -> tuple[Connection, Receive] | None:
    """Return the new connection and the ``receive`` that tells of its disconnect.

    Returns:
        None when the request has been answered already: refused, a preflight, or a HEAD.
    """
    headers = Headers(scope)
    client_headers = guard.cors_headers(headers)
    try:
        if preflight := guard.preflight_headers(scope, headers):
            await send_whole(send, 204, [*SECURITY_HEADERS, *preflight])
            return None
        request = guard.check(scope, headers)
    except Refusal as refusal:
        METRICS.refused[refusal.code] += 1
        await send_refusal(send, refusal, client_headers)
        return None
    opening = asyncio.ensure_future(_open(scope, headers, request, send, client_headers))
    if await came_before_end(wait_for_disconnect(receive), opening):
        receive = _receive_disconnect
    try:
        connection = await opening
    except asyncio.CancelledError:
        if receive is not _receive_disconnect:
            raise
        METRICS.refused["gone"] += 1
    except Refusal as refusal:
        METRICS.refused[refusal.code] += 1
        await _refuse(send, refusal, request, client_headers)
    else:
        if connection is not None:
            return connection, receive
        await send_stream_headers(send, client_headers)
    return None


async def _receive_disconnect() -> dict[str, str]:
    """Stand in for ``receive`` once the client has gone, because not every server reports it twice."""
    return {"type": "http.disconnect"}


async def _open(
    scope: Scope, headers: Headers, request: StreamRequest, send: Send, client_headers: HeaderList
) -> Connection | None:
    """Open the connection; return None when only its headers were asked for.

    Args:
        client_headers: the headers of every answer to this client. What is left of its user's limit is added
            as soon as it is known.

    Raises:
        Refusal: the stream may not open.
    """
    runtime, stream_id = current_runtime(), new_public_id()
    opening = StreamOpening(stream_id, scope, headers, request, runtime.opening_buckets)
    try:
        async with runtime.opening_limit.acquire():
            _refuse_when_draining(runtime)
            if scope["method"] == "HEAD":
                await in_database_thread(opening.check)
                return None
            opened = await runtime.stream_records.open(stream_id, opening.open)
    except Refusal:
        raise
    except StreamLimit as limit:
        raise Refusal(limit.code, str(limit), more={"limit": hub_config().max_streams_per_user}) from limit
    except QueueFull:
        raise Refusal("unavailable", "Very many streams are being opened just now; try again.") from None
    except Exception as error:  # the client is not at fault when the database cannot be reached
        logger.exception("A stream could not be opened")
        raise Refusal("unavailable") from error
    finally:
        client_headers += opening.limit_headers
    runtime.close(opened.replaced, "replaced")
    try:
        _refuse_when_draining(runtime)
    except Refusal:
        runtime.stream_records.note_end(stream_id, EndReason.SHUTDOWN)
        raise
    return Connection(
        key=stream_id,
        send=send,
        transport=transport_of(scope.get(SERVER_SEND)),
        request=request,
        credential=opened.credential,
        fanout=runtime.fanout,
        backlog_limit=runtime.backlog_limit,
        state=opened.inbox,
        plan=opened.plan,
        headers=client_headers,
    )


def _refuse_when_draining(runtime: Runtime) -> None:
    if runtime.is_draining:
        raise Refusal("unavailable", "This process is stopping; try again.")


async def _refuse(send: Send, refusal: Refusal, request: StreamRequest, client_headers: HeaderList) -> None:
    if request.takes_refusals_as_stream and refusal.status in (429, 503):
        reason: CloseReason = "shutdown" if current_runtime().is_draining else "error"
        if refusal.status == 429:
            reason = "limit"
        await send_closed_stream(
            send, frames_as_requested.stream_close(request, Ending(reason)), client_headers
        )
    else:
        await send_refusal(send, refusal, client_headers)
