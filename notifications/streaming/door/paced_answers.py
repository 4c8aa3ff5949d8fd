"""Django's answers that take several writes: their readers are waited for, but not for ever, and one that
failed never looks whole.

Django's handlers write as fast as the server takes it and know of no reader that has stopped reading. Under
Daphne, whose ``send`` never waits, a long answer would be kept in memory; and an answer that fails after its
beginning would stop Daphne from looking after any request at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from notifications.conf import hub_config
from notifications.streaming.asgi import Receive, Scope, Send
from notifications.streaming.connection.transport import SERVER_SEND, Transport, transport_of
from notifications.streaming.connection.writer import DISCONNECT_SECONDS
from notifications.streaming.tasks import disconnected

logger = logging.getLogger(__name__)

_BODY: Final = "http.response.body"


class ReaderStuck(ConnectionError):
    """The reader has taken nothing for ``slow_reader_seconds``; its connection has been dropped."""


def paced(application: Callable[..., Awaitable[None]]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The same application, whose answers keep to the pace of their readers and are broken off where they
    fail.

    Args:
        application: Django's ASGI handler, the hub's or its own.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        try:
            await application(scope, receive, answer.send)
        except ReaderStuck:
            logger.info("The reader of %s takes nothing; its connection is dropped", scope["path"])
        except Exception:
            if not (answer.is_begun and answer.transport.break_off()):
                raise
            logger.exception("The answer to %s failed and is broken off", scope["path"])
            await _until_gone(receive, answer.transport)

    return serve


class _Answer:
    """The sending side of one answer.

    Args:
        scope: of its request.
        send: what is next towards the server.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._server_send = scope.get(SERVER_SEND)
        self._send = send
        self._transport: Transport | None = None
        self.is_begun = False

    @property
    def transport(self) -> Transport:
        """What lies under it; most answers are one write, and need not know."""
        if self._transport is None:
            self._transport = transport_of(self._server_send)
            self._send = self._transport.pace(self._send, lambda: None)
        return self._transport

    async def send(self, message: Any) -> None:
        """Send a message. Raises ``ReaderStuck``."""
        self.is_begun = True
        if self._transport is None and not (message["type"] == _BODY and message.get("more_body")):
            await self._send(message)
            return
        transport = self.transport
        try:
            async with asyncio.timeout(hub_config().slow_reader_seconds):
                await self._send(message)
        except TimeoutError:
            transport.abort()
            # Django's own handler closes what it sends when it hears that the client has gone, and not when
            # it cannot send.
            await asyncio.sleep(DISCONNECT_SECONDS)
            raise ReaderStuck from None


async def _until_gone(receive: Receive, transport: Transport) -> None:
    """Wait until a connection that was broken off is over; if its reader does not take the rest, drop it."""
    try:
        async with asyncio.timeout(hub_config().slow_reader_seconds):
            await disconnected(receive)
    except TimeoutError:
        transport.abort()
