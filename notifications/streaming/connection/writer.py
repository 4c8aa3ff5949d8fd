"""Writes to one client, a user's stream or the staff's: at once where the server takes it, else by its
``send``.

That may wait for the reader, so each such write has a deadline, and can be cut short.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from notifications.conf import hub_config
from notifications.streaming.asgi import STREAM_HEADERS, HeaderList, Send
from notifications.streaming.connection.transport import Wire
from notifications.streaming.connection.wakeup import Alarm

DISCONNECT_SECONDS: Final = 1.0  # what a server may take to say that a dropped connection is gone


class Sender:
    """The way of all that a writer task writes.

    Args:
        send: the ASGI callable, paced by the wire.
        wire: what lies under it.
    """

    __slots__ = ("_deadline", "_is_cut", "_send", "_wire")

    def __init__(self, send: Send, wire: Wire) -> None:
        self._send = send
        self._wire = wire
        self._deadline: asyncio.Timeout | None = None
        self._is_cut = False

    async def start(self, headers: HeaderList) -> None:
        """Begin the answer. Raises ``TimeoutError``."""
        message = {"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]}
        async with asyncio.timeout(hub_config().slow_reader_seconds):
            await self._send(message)

    async def write(self, body: bytes) -> None:
        """One write. Raises ``TimeoutError`` when the reader takes nothing for ``slow_reader_seconds``, or
        after ``cut``.
        """
        if not self._wire.write_now(body):
            await self._write_within(hub_config().slow_reader_seconds, body)

    async def _write_within(self, seconds: float, body: bytes, *, is_last: bool = False) -> None:
        self._deadline = asyncio.timeout(seconds)
        try:
            async with self._deadline:
                message = {"type": "http.response.body", "body": body, "more_body": not is_last}
                await self._send(message)
        finally:
            self._deadline = None

    def cut(self) -> None:
        """What waits to be written must not be: the reader has lost the right to it."""
        self._is_cut = True
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def finish(self, body: bytes, seconds: float, gone: Alarm) -> bool:
        """The last write; whether the reader took it within ``seconds``. Otherwise the connection is dropped.

        Args:
            gone: set when the client has gone, which is waited for then.
        """
        if self._is_cut and self._wire.is_behind:
            seconds = 0  # what the server still holds would go out first
        try:
            await self._write_within(seconds, body, is_last=True)
        except TimeoutError:
            self._wire.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await gone.wait()
            return False
        return True
