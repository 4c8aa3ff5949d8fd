"""Writes to one client by the server's ``send``: it may wait for the reader, so each write has a deadline, and can be cut short."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from notifications.conf import hub_config
from notifications.streaming.alarm import Alarm
from notifications.streaming.refusals import STREAM_HEADERS, HeaderList, Send
from notifications.streaming.wire import Wire

DISCONNECT_SECONDS: Final = 1.0  # what a server may take to say that a dropped connection is gone


class Sender:
    """The way of all that is not written at once.

    Args:
        send: the ASGI callable, paced by the wire.
        wire: what lies under it.
    """

    __slots__ = ("_deadline", "_send", "_wire")

    def __init__(self, send: Send, wire: Wire) -> None:
        self._send = send
        self._wire = wire
        self._deadline: asyncio.Timeout | None = None

    async def start(self, headers: HeaderList) -> None:
        """Begin the answer. Raises ``TimeoutError``."""
        message = {"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]}
        async with asyncio.timeout(hub_config().slow_reader_seconds):
            await self._send(message)

    async def write(self, body: bytes, seconds: float, *, is_last: bool = False) -> None:
        """One write. Raises ``TimeoutError`` when the reader has not taken enough for it for so long, or must not have it any more."""
        self._deadline = asyncio.timeout(seconds)
        try:
            async with self._deadline:
                message = {"type": "http.response.body", "body": body, "more_body": not is_last}
                await self._send(message)
        finally:
            self._deadline = None

    def cut(self) -> None:
        """What waits to be written must not be."""
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def finish(self, body: bytes, seconds: float, gone: Alarm) -> bool:
        """The last write; whether the reader took it within ``seconds``. Otherwise the connection is dropped.

        Args:
            gone: set when the client has gone, which is waited for then.
        """
        try:
            await self.write(body, seconds, is_last=True)
        except TimeoutError:
            self._wire.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await gone.wait()
            return False
        return True
