"""Writes the body of one answer, a user's stream or a staff stream.

A body is handed to the transport at once where the server takes it without waiting. Otherwise it goes by the
server's ``send``, which may wait for the reader, so each such write has a deadline and can be cut short.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from notifications.conf import hub_config
from notifications.streaming import timing
from notifications.streaming.asgi import STREAM_HEADERS, HeaderList, Send
from notifications.streaming.connection.transport import Transport
from notifications.streaming.tasks import Wakeup

# How long a server may take to report the disconnect of a connection that was dropped.
DISCONNECT_SECONDS: Final = 1.0


class Writer:
    """Writes everything that a stream's writer task has to say.

    Args:
        send: the ASGI callable, paced by the transport.
        transport: the connection below ASGI.
    """

    __slots__ = ("_deadline", "_is_cut_short", "_send", "_transport")

    def __init__(self, send: Send, transport: Transport) -> None:
        self._send = send
        self._transport = transport
        self._deadline: asyncio.Timeout | None = None
        self._is_cut_short = False

    async def start(self, headers: HeaderList) -> None:
        """Send the status and the headers.

        Raises:
            TimeoutError: the reader took nothing for ``slow_reader_seconds``.
        """
        message = {"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]}
        async with asyncio.timeout(hub_config().slow_reader_seconds):
            await self._send(message)

    async def write(self, body: bytes) -> None:
        """Write a part of the body.

        Raises:
            TimeoutError: the reader took nothing for ``slow_reader_seconds``, or the write was cut short.
        """
        if not self._transport.write_now(body):
            await self._write_within(hub_config().slow_reader_seconds, body)

    async def _write_within(self, seconds: float, body: bytes, *, is_last: bool = False) -> None:
        self._deadline = asyncio.timeout(seconds)
        try:
            async with self._deadline:
                message = {"type": "http.response.body", "body": body, "more_body": not is_last}
                await self._send(message)
        finally:
            self._deadline = None

    def cut_short(self) -> None:
        """End the write that is waiting, because the reader is no longer authorized to read it."""
        self._is_cut_short = True
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def finish(self, body: bytes, seconds: float, disconnected: Wakeup) -> bool:
        """Write the last part and end the answer, or drop the connection if that takes too long.

        Args:
            body: the last part; it may be empty.
            seconds: how long the reader may take.
            disconnected: set when the client has disconnected. After the connection was dropped, this waits
                for it, for ``DISCONNECT_SECONDS`` at most.

        Returns:
            Whether the server took the last part in time.
        """
        if self._is_cut_short and self._transport.is_behind:
            seconds = 0  # what the server still holds would go out first
        try:
            await self._write_within(seconds, body, is_last=True)
        except TimeoutError:
            self._transport.abort()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await disconnected.wait()
            return False
        return True


def bodies(frames: list[bytes]) -> Iterator[bytes]:
    """Join frames into bodies of at most ``MAX_WRITE_BYTES``, each for one write; a frame is never split."""
    body: list[bytes] = []
    size = 0
    for frame in frames:
        if body and size + len(frame) > timing.MAX_WRITE_BYTES:
            yield b"".join(body)
            body, size = [], 0
        body.append(frame)
        size += len(frame)
    if body:
        yield b"".join(body)
