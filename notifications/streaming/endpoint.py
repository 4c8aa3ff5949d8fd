"""The stream's ASGI application: guard, credential, inbox, and then the connection itself.

It is a plain callable and no Channels consumer, whose loop would see neither the disconnect nor a group's messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import ParamSpec, TypeVar

from notifications import services
from notifications.streaming import guard
from notifications.streaming.connection import Connection
from notifications.streaming.credentials import identify
from notifications.streaming.frames import CloseReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.pool import in_pool
from notifications.streaming.refusals import (
    SECURITY_HEADERS,
    STREAM_HEADERS,
    HeaderList,
    Receive,
    Refusal,
    Send,
    send_closed_stream,
    send_refusal,
    send_whole,
)
from notifications.streaming.requests import Headers, Scope, StreamRequest
from notifications.streaming.runtime import Runtime, current_runtime
from notifications.streaming.turns import LineFull, Turns
from notifications.streaming.wire import SERVER_SEND, wire_under

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request for a stream (protocol, section 6)."""
    headers = Headers(scope)
    common = guard.cors_headers(headers)
    if preflight := guard.preflight_headers(scope, headers):
        await send_whole(send, 204, [*SECURITY_HEADERS, *preflight])
        return
    try:
        request = guard.check(scope, headers)
    except Refusal as refusal:
        await send_refusal(send, refusal, common)
        return
    try:
        connection = await _open(scope, headers, request, receive, send, common)
    except Refusal as refusal:
        METRICS.refused[refusal.code] += 1
        await _refuse(send, refusal, request, common)
    except ClientGone:
        METRICS.refused["gone"] += 1
    else:
        if connection is None:
            await send_whole(send, 200, [*STREAM_HEADERS, *common])
        else:
            await current_runtime().serve(connection, receive)


class ClientGone(Exception):
    """Whoever asked has disconnected while it waited in line."""


async def _open(
    scope: Scope, headers: Headers, request: StreamRequest, receive: Receive, send: Send, common: HeaderList
) -> Connection | None:
    """The connection that was asked for; None when only its headers were. Raises ``Refusal`` or ``ClientGone``."""
    runtime = current_runtime()
    try:
        async with _turn(runtime.opening_turns, receive):
            _refuse_when_draining(runtime)
            is_opening = scope["method"] != "HEAD"
            credential = await _read(identify, headers, request.ticket, is_opening)
            if not is_opening:
                return None
            state = await _read(services.open_inbox, credential.user_id)
    except LineFull:
        raise Refusal("unavailable", "Very many streams are being opened just now; try again.") from None
    _refuse_when_draining(runtime)
    return Connection(
        send=send,
        wire=wire_under(scope.get(SERVER_SEND)),
        request=request,
        credential=credential,
        fanout=runtime.fanout,
        backlog_turns=runtime.backlog_turns,
        state=state,
        headers=common,
    )


def _refuse_when_draining(runtime: Runtime) -> None:
    if runtime.is_draining:
        raise Refusal("unavailable", "This process is stopping; try again.")


@contextlib.asynccontextmanager
async def _turn(turns: Turns, receive: Receive) -> AsyncIterator[None]:
    """A turn to open a stream. Raises ``LineFull``, or ``ClientGone`` when the client did not wait for it."""
    turn = turns.line_up()
    try:
        if not turn.done():
            watching = asyncio.create_task(_disconnect(receive))
            try:
                await asyncio.wait([turn, watching], return_when=asyncio.FIRST_COMPLETED)
            finally:
                watching.cancel()
            if watching.done() and not watching.cancelled():
                raise ClientGone
        yield
    finally:
        turns.leave(turn)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call in the private pool; a database that cannot be had is no fault of the client. Raises ``Refusal``."""
    try:
        return await in_pool(function, *args, **kwargs)
    except Refusal:
        raise
    except Exception as error:
        logger.exception("A stream could not be opened")
        raise Refusal("unavailable") from error


async def _refuse(send: Send, refusal: Refusal, request: StreamRequest, common: HeaderList) -> None:
    if request.takes_refusals_as_stream and refusal.status in (429, 503):
        reason: CloseReason = "shutdown" if current_runtime().is_draining else "error"
        await send_closed_stream(send, reason, common, reconnect=request.ticket is None)
    else:
        await send_refusal(send, refusal, common)
