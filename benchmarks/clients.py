"""Many readers of streams in one thread: they count frames and look at nothing else."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterable
from typing import Self

from tests.helpers.machine.ports import HOST
from tests.helpers.waiting import wait_until

CHUNK_BYTES = 65_536
POLL_SECONDS = 0.2
WINDOW = 32  # streams that may be opening at once, where nothing else is said
WAIT_SECONDS = 120
# A frame ends with its only empty line; neither the head of the answer nor the framing of its chunks holds
# two line feeds in a row.
END_OF_FRAME = b"\n\n"
# `stream.open` and `stream.live`.
FRAMES_WHEN_LIVE = 2


class Clients:
    """Connections that a thread reads until `close()`.

    Attributes:
        frame_count: frames that have come on all of them.
        byte_count: bytes that have come on all of them.
        refused: the first line of each answer that was no stream.
    """

    def __init__(self) -> None:
        self.frame_count = self.byte_count = 0
        self.refused: list[bytes] = []
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._missing: dict[int, int] = {}  # of streams that open: frames that have not come yet
        self._split: set[int] = set()  # those whose last byte was a line feed
        self._is_closing = False
        self._thread = threading.Thread(target=self._read, name="bench-clients", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._sockets)

    def connect(self, port: int, count: int) -> None:
        """Connect to a server that speaks first."""
        for _ in range(count):
            self._add(socket.create_connection((HOST, port)))

    def open(
        self, port: int, requests: Iterable[bytes], *, frames: int = FRAMES_WHEN_LIVE, window: int = WINDOW
    ) -> None:
        """Open one stream for each request, at most `window` at a time, and wait until each has had this many
        frames.

        Raises `RuntimeError` when one is refused, `TimeoutError` when one does not come.
        """
        for request in requests:
            opening = socket.create_connection((HOST, port))
            opening.sendall(request)
            self._missing[opening.fileno()] = frames
            self._add(opening)
            if len(self._missing) >= window:
                self._wait_opened(window - 1)
        self._wait_opened(0)

    def wait_frames(self, count: int) -> None:
        """Wait until that many frames have come in all. Raises `TimeoutError`."""
        wait_until(lambda: self.frame_count >= count, timeout=WAIT_SECONDS, what=f"{count} frames")

    def _wait_opened(self, opening_count: int) -> None:
        def have_opened() -> bool:
            if self.refused:
                raise RuntimeError(f"no stream: {self.refused[0]!r}")
            return len(self._missing) <= opening_count

        wait_until(have_opened, timeout=WAIT_SECONDS, what="a stream that opens")

    def close(self) -> None:
        """Drop all connections. May be called again."""
        self._is_closing = True
        self._thread.join()
        for connected in self._sockets.values():
            connected.close()
        self._sockets.clear()
        self._epoll.close()

    def _add(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        number = connected.fileno()
        self._sockets[number] = connected
        self._epoll.register(number, select.EPOLLIN)

    def _read(self) -> None:
        while not self._is_closing:
            for number, _ in self._epoll.poll(POLL_SECONDS):
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    self._take(number, os.read(number, CHUNK_BYTES))

    def _take(self, number: int, chunk: bytes) -> None:
        if not chunk:
            self._epoll.unregister(number)
            return
        if chunk.startswith(b"HTTP/1.1 ") and not chunk.startswith(b"HTTP/1.1 200"):
            self.refused.append(chunk.split(b"\r\n", 1)[0])
        ended = chunk.count(END_OF_FRAME) + (number in self._split and chunk.startswith(b"\n"))
        (self._split.add if chunk.endswith(b"\n") else self._split.discard)(number)
        self.byte_count += len(chunk)
        self.frame_count += ended
        if number in self._missing:
            self._missing[number] -= ended
            if self._missing[number] <= 0:
                del self._missing[number]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def stream_request(port: int, cookie: str, query: str = "") -> bytes:
    """What a client sends to open a stream, with the headers that a browser would send."""
    lines = [
        f"GET /api/v1/notifications/stream{'?' if query else ''}{query} HTTP/1.1",
        f"Host: {HOST}:{port}",
        "Accept: text/event-stream",
        "Accept-Language: en-GB,en;q=0.9",
        "Cache-Control: no-cache",
        "Sec-Fetch-Dest: empty",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Site: same-origin",
        (
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/150.0.0.0 Safari/537.36"
        ),
        f"Cookie: {cookie}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def paced(count: int, per_second: float) -> Iterable[int]:
    """The numbers below `count`, at a steady pace; one that is late does not make the next ones late."""
    started = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started + number / per_second - time.monotonic()))
        yield number
