"""The connection below ASGI: whether its reader keeps up, whether the peer answers, and how to drop it.

uvicorn's ``send`` waits while too much is unsent. Daphne's never waits, but Twisted tells a producer when to
pause, so ``DaphneTransport`` is such a producer. Nothing is known of any other server: there a stream is
rotated once ``max_stream_bytes`` have been written to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from notifications.conf import hub_config
from notifications.streaming.asgi import Send

logger = logging.getLogger(__name__)

# The key under which the outermost application stores the server's own `send` in the scope, before anything
# wraps it.
SERVER_SEND: Final = "notifications.send"

# Parts of ``slow_reader_seconds``. A reader that wakes up within the first part still reads its
# `stream.close`; then the kernel closes the connection.
LAST_FRAME_PART: Final = 0.1
# A peer that is alive answers at least once in every idle part. One that has not answered within the silence
# part has vanished.
IDLE_PART: Final = 1 / 3
INTERVAL_PART: Final = 1 / 6
SILENCE_PART: Final = 2 / 3
MIN_SILENCE_SECONDS: Final = 2.0  # the kernel counts whole seconds
# Unsent bytes of one connection in the kernel. Bytes that were sent and are not yet acknowledged are extra.
MAX_UNSENT_BYTES: Final = 131_072

# Of Linux's `struct tcp_info`: `tcpi_last_data_sent` and `tcpi_last_ack_recv` (milliseconds), and
# `tcpi_notsent_bytes`.
_INFO: Final = struct.Struct("=44xI8xI84xI")

# What a socket raises once it is closed; the socket of a uvloop transport raises ValueError.
_CLOSED: Final = (OSError, ValueError)


def tune_socket(target: Any) -> None:
    """Make the kernel close connections to peers that have vanished or never read.

    The options of a listening socket are inherited by the connections that it accepts.

    Args:
        target: a socket, or the object that a server gives for one. One that is not TCP is left unchanged.
    """
    if target.family not in (socket.AF_INET, socket.AF_INET6):
        return
    seconds = hub_config().slow_reader_seconds
    options = {
        "TCP_KEEPIDLE": max(1, round(seconds * IDLE_PART)),
        "TCP_KEEPINTVL": max(1, round(seconds * INTERVAL_PART)),
        "TCP_USER_TIMEOUT": round(seconds * (1 + LAST_FRAME_PART) * 1000),
        "TCP_NOTSENT_LOWAT": MAX_UNSENT_BYTES,
    }
    target.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            target.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Peer(NamedTuple):
    """The state of the reader at the other end, as far as the kernel knows it.

    Attributes:
        silent_seconds: how long ago its kernel last answered. Keepalive makes it answer when it has nothing
            to acknowledge.
        stuck_seconds: for how long nothing of the unsent bytes could be sent; 0 when there are none.
    """

    silent_seconds: float = 0.0
    stuck_seconds: float = 0.0


UNKNOWN_PEER: Final = Peer()


class Transport:
    """A transport of an unknown server: nothing can be seen of it, and all one can do is stop writing."""

    __slots__ = ()

    @property
    def is_behind(self) -> bool:
        """Whether the reader has yet to take what the server holds, so that the next write has to wait."""
        return False

    def pace(self, send: Send, on_limit: Callable[[], None]) -> Send:
        """Return a ``send`` under which unsent bytes cannot grow without bound.

        It either waits for the reader, or calls ``on_limit`` once ``max_stream_bytes`` have been written.
        """
        left = hub_config().max_stream_bytes

        async def counted(message: Any) -> None:
            nonlocal left
            await send(message)
            left -= len(message.get("body", b""))
            if left <= 0:
                on_limit()

        return counted

    def write_now(self, body: bytes) -> bool:
        """Write a part of the body at once, if the server is known to take it without waiting.

        Returns:
            Whether it was written.
        """
        return False

    def peer(self) -> Peer:
        """Return what is known of the reader."""
        return UNKNOWN_PEER

    def abort(self) -> None:
        """Drop the connection and everything unsent. The server then reports a disconnect."""

    def break_off(self) -> bool:
        """Close the connection once the unsent bytes have gone out, so that the answer looks incomplete.

        Nothing may be sent afterwards. The server then reports a disconnect.

        Returns:
            Whether this server can do so.
        """
        return False


class SocketTransport(Transport):
    """A transport whose socket can be examined.

    Args:
        sock: the socket, or the object that the server gives for it; None when it gives none.
    """

    __slots__ = ("_tcp",)

    def __init__(self, sock: Any) -> None:
        is_tcp = sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6)
        self._tcp = sock if is_tcp else None
        with contextlib.suppress(*_CLOSED):
            if is_tcp:
                tune_socket(sock)

    def peer(self) -> Peer:
        """Return what the kernel knows of the reader."""
        if self._tcp is None or not hasattr(socket, "TCP_INFO"):
            return UNKNOWN_PEER
        try:
            info = self._tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
            sent_ms, answered_ms, unsent_bytes = _INFO.unpack(info)
        except (*_CLOSED, struct.error):  # closed already; another kernel
            return UNKNOWN_PEER
        return Peer(answered_ms / 1000, sent_ms / 1000 if unsent_bytes else 0.0)


class UvicornTransport(SocketTransport):
    """The transport of uvicorn, whose ``send`` waits by itself.

    Args:
        cycle: uvicorn's object for one request and its response.
    """

    __slots__ = ("_cycle", "_flow", "_server_transport")

    def __init__(self, cycle: Any) -> None:
        self._cycle, self._flow, self._server_transport = cycle, cycle.flow, cycle.transport
        super().__init__(self._server_transport.get_extra_info("socket"))

    @property
    def is_behind(self) -> bool:
        """Whether ``send`` would wait."""
        return bool(self._flow.write_paused)

    def write_now(self, body: bytes) -> bool:
        """Do what uvicorn's ``send`` does when it need not wait, without a message and a deadline."""
        cycle = self._cycle
        if self._flow.write_paused or cycle.disconnected or not getattr(cycle, "chunked_encoding", None):
            return False
        self._server_transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def pace(self, send: Send, on_limit: Callable[[], None]) -> Send:
        """Return ``send`` unchanged."""
        return send

    def abort(self) -> None:
        """Drop the connection."""
        self._server_transport.abort()

    def break_off(self) -> bool:
        """Close the connection after the bytes that uvicorn's transport still holds."""
        self._server_transport.close()
        return True


class DaphneTransport(SocketTransport):
    """The transport of Daphne: a producer, which Twisted tells when to pause.

    Args:
        request: Twisted's object for the request.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        transport: Any = getattr(request.channel, "transport", None)
        self._server_transport = transport
        handle = transport.getHandle() if hasattr(transport, "getHandle") else None
        super().__init__(handle if isinstance(handle, socket.socket) else None)
        self._may_write = asyncio.Event()
        self._may_write.set()

    @property
    def is_behind(self) -> bool:
        """Whether Twisted's buffer is full."""
        return not self._may_write.is_set()

    def pace(self, send: Send, on_limit: Callable[[], None]) -> Send:
        """Return a ``send`` that waits while Twisted's buffer is full."""
        if self._server_transport is not None:
            self._request.registerProducer(self, True)

        async def paced(message: Any) -> None:
            await self._may_write.wait()
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._unregister()
            await send(message)

        return paced

    def abort(self) -> None:
        """Drop the connection. Twisted's ``loseConnection`` would wait for its buffer for ever."""
        if self._server_transport is not None:
            self._server_transport.abortConnection()

    def break_off(self) -> bool:
        """Close the connection after the bytes that Twisted's buffer still holds."""
        if self._server_transport is None:
            return False
        self._unregister()
        self._server_transport.loseConnection()
        return True

    def _unregister(self) -> None:
        if self._request.producer is self and self._request.channel is not None:
            self._request.unregisterProducer()

    # The methods that Twisted calls.

    def pauseProducing(self) -> None:  # noqa: N802
        """Called when Twisted's buffer is full."""
        self._may_write.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Called when Twisted's buffer is empty again."""
        self._may_write.set()

    def stopProducing(self) -> None:  # noqa: N802
        """Called when the connection is gone; nothing may wait for it any more."""
        self._may_write.set()


def transport_of(send: Any) -> Transport:
    """Return the transport below a server's own ``send``."""
    cycle = getattr(send, "__self__", None)
    if hasattr(cycle, "flow") and hasattr(getattr(cycle, "transport", None), "abort"):
        return UvicornTransport(cycle)
    if isinstance(send, partial) and send.args and hasattr(send.args[0], "registerProducer"):
        return DaphneTransport(send.args[0])
    return Transport()
