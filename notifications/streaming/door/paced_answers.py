"""Paces Django's answers of several writes to their readers, and breaks off those that fail.

Django's handlers write as fast as the server accepts, and do not notice a reader that has stopped reading.
Under Daphne, whose ``send`` never waits, a long answer would be kept in memory, and an answer that fails
after its beginning would keep Daphne from serving any further request. An answer that failed must never look
complete.
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
from notifications.streaming.tasks import wait_for_disconnect

logger = logging.getLogger(__name__)

_BODY: Final = "http.response.body"


class ReaderStuck(ConnectionError):
    """The reader has taken nothing for ``slow_reader_seconds``; its connection has been dropped."""


def paced(application: Callable[..., Awaitable[None]]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Wrap an application: its answers keep to the pace of their readers, and are broken off where they fail.

    Args:
        application: Django's ASGI handler, the hub's or its own.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(scope, send)
        try:
            await application(scope, receive, answer.send)
        except ReaderStuck:
            logger.info("The reader of %s has stopped reading, so its connection is dropped", scope["path"])
        except Exception:
            if not (answer.is_begun and answer.transport.break_off()):
                raise
            logger.exception("The answer to %s failed, so it is broken off", scope["path"])
            await _wait_until_gone(receive, answer.transport)

    return serve


class _Answer:
    """The sending side of one answer.

    Args:
        scope: of its request.
        send: the next ``send`` towards the server.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._server_send = scope.get(SERVER_SEND)
        self._send = send
        self._transport: Transport | None = None
        self.is_begun = False

    @property
    def transport(self) -> Transport:
        """The transport under the server; looked up for answers of several writes only."""
        if self._transport is None:
            self._transport = transport_of(self._server_send)
            self._send = self._transport.pace(self._send, lambda: None)
        return self._transport

    async def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            ReaderStuck: the reader does not take it.
        """
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
            # Django's own handler closes its response when it is told that the client has gone, but not when
            # sending fails.
            await asyncio.sleep(DISCONNECT_SECONDS)
            raise ReaderStuck from None


async def _wait_until_gone(receive: Receive, transport: Transport) -> None:
    """Wait until a connection that was broken off has ended; drop it if its reader does not take the rest."""
    try:
        async with asyncio.timeout(hub_config().slow_reader_seconds):
            await wait_for_disconnect(receive)
    except TimeoutError:
        transport.abort()
