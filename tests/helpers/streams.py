"""Clients that hold a stream of a real server open: one for ordinary tests (a thread reads), one for
coroutines.

Both are a `StreamRecord`: `expect()` gives the next event of a type or fails at its deadline, and everything
that came stays readable. What tests ask of such streams, and of a server by raw bytes, stands at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.helpers.machine.ports import HOST
from tests.helpers.sse import ServerSentEvent, StreamRecord
from tests.helpers.waiting import PATIENCE_SECONDS

CHUNK_BYTES = 65_536
Where = Callable[[ServerSentEvent], bool]


def anything(event: ServerSentEvent) -> bool:
    """The filter that admits every event."""
    return True


def unverified_tls() -> ssl.SSLContext:
    """TLS to a server whose certificate nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class LiveStream(StreamRecord):
    """A stream that a thread of its own reads, so that a test can wait for what comes while it does other
    things.

    `status` and `headers` (names in any case) are there as soon as it is made. The socket is a plain one:
    `receive_buffer` (bytes) makes it small, `pause()` stops reading as a stalled client does, `close()` drops
    the connection without a word. Raises `OSError` when nobody listens or no answer begins within `timeout`
    seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        timeout: float = PATIENCE_SECONDS,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__()
        target = urlsplit(url)
        self._changed = threading.Condition()
        self._may_read = threading.Event()
        self._may_read.set()
        self._socket: socket.socket = socket.socket()
        try:
            if receive_buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.settimeout(timeout)
            self._socket.connect((target.hostname, target.port or 80))
            if target.scheme == "https":
                self._socket = unverified_tls().wrap_socket(self._socket, server_hostname=target.hostname)
            connection = http.client.HTTPConnection(target.netloc)
            connection.sock = self._socket
            path = f"{target.path or '/'}{'?' if target.query else ''}{target.query}"
            connection.request(method, path, headers={"Accept": "text/event-stream", **(headers or {})})
            self._response = connection.getresponse()
            self._socket.settimeout(None)
        except BaseException:
            self._socket.close()
            raise
        self.opened_at = time.monotonic()
        self.status = self._response.status
        self.headers = self._response.headers
        self._reader = threading.Thread(target=self._read, name="test-stream", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        ended = "cut"
        try:
            while True:
                self._may_read.wait()
                chunk = self._response.read1(CHUNK_BYTES)
                if not chunk:
                    ended = "clean"
                    return
                with self._changed:
                    self.feed(chunk, time.monotonic())
                    self._changed.notify_all()
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            # The last two are http.client's words for an answer closed by another thread.
            return
        finally:
            with self._changed:
                self.ended = ended
                self._changed.notify_all()

    def expect(
        self, *types: str, timeout: float = PATIENCE_SECONDS, where: Where = anything
    ) -> ServerSentEvent:
        """The next event of one of `types` (none: any) for which `where` holds, passing over the others.

        Raises `UnexpectedEnd` when it has not come within `timeout` seconds or the stream ends before.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while (event := self.take(*types, where=where)) is None:
                if self.ended or not self._changed.wait(deadline - time.monotonic()):
                    if (event := self.take(*types, where=where)) is not None:
                        break
                    raise self.missing(" or ".join(types) or "an event")
        return event

    def wait_ended(self, timeout: float = PATIENCE_SECONDS) -> str:
        """Wait for the end of the stream and tell how it ended. Raises `UnexpectedEnd` when it is still open
        after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.ended, timeout):
                raise self.missing("the end of the stream")
            return str(self.ended)

    def pause(self) -> None:
        """Take nothing more off the connection, except what is being read at this moment."""
        self._may_read.clear()

    def resume(self) -> None:
        """Read on after `pause()`."""
        self._may_read.set()

    def close(self) -> None:
        """Drop the connection. May be called again."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._may_read.set()
        self._reader.join(PATIENCE_SECONDS)
        self._response.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncLiveStream(StreamRecord):
    """The same for coroutines; made by `open_stream()`. `status` and `headers` are there at once."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.opened_at = time.monotonic()
        self.status = response.status_code
        self.headers = response.headers
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(response))

    async def _read(self, response: httpx.Response) -> None:
        ended = "cut"
        try:
            async for chunk in response.aiter_raw():
                async with self._changed:
                    self.feed(chunk, time.monotonic())
                    self._changed.notify_all()
            ended = "clean"
        except httpx.HTTPError:
            return
        finally:
            async with self._changed:
                self.ended = ended
                self._changed.notify_all()

    async def expect(
        self, *types: str, timeout: float = PATIENCE_SECONDS, where: Where = anything
    ) -> ServerSentEvent:
        """As `LiveStream.expect()`. Raises `UnexpectedEnd`."""
        found: list[ServerSentEvent] = []

        def has_come_or_cannot() -> bool:
            event = self.take(*types, where=where)
            if event is not None:
                found.append(event)
            return bool(found or self.ended)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(has_come_or_cannot)
        if not found:
            raise self.missing(" or ".join(types) or "an event")
        return found[0]

    async def wait_ended(self, timeout: float = PATIENCE_SECONDS) -> str:
        """As `LiveStream.wait_ended()`. Raises `UnexpectedEnd`."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.ended is not None)
        except TimeoutError:
            raise self.missing("the end of the stream") from None
        return str(self.ended)

    async def close(self) -> None:
        """Stop reading."""
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader


@contextlib.asynccontextmanager
async def open_stream(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    timeout: float = PATIENCE_SECONDS,
) -> AsyncIterator[AsyncLiveStream]:
    """Open a stream for a block of code, and drop its connection after it.

    Raises `httpx.TransportError` when nobody listens or no answer begins within `timeout` seconds.
    """
    limits = httpx.Timeout(timeout, read=None)
    async with httpx.AsyncClient(timeout=limits, trust_env=False) as client:
        request = client.build_request(
            method, url, headers={"Accept": "text/event-stream", **(headers or {})}
        )
        async with asyncio.timeout(timeout):
            response = await client.send(request, stream=True)
        stream = AsyncLiveStream(response)
        try:
            yield stream
        finally:
            await stream.close()
            await response.aclose()


def positions(*streams: StreamRecord) -> list[int]:
    """The positions of the changes that came, in order."""
    return [
        event.json["position"] for stream in streams for event in stream.events if "position" in event.json
    ]


def at(position: int) -> Callable[[ServerSentEvent], bool]:
    """Is it the change of that position?"""
    return lambda event: bool(event.json["position"] == position)


def complaints(output: str) -> list[str]:
    """What a log holds that somebody would have to look at; the helpers' own question is none of it."""
    words = ("WARNING", "ERROR", "CRITICAL", "Traceback")
    return [
        line
        for line in output.splitlines()
        if any(word in line for word in words) and "/is-it-up" not in line
    ]


def ask(port: int, raw: bytes) -> bytes:
    """Send raw bytes to the loopback address, and return what is answered at first; empty when the connection
    just ends.
    """
    with socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(raw)
        with contextlib.suppress(ConnectionError):
            return connection.recv(65_536)
        return b""
