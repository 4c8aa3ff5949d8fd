"""What lies under a stream and ASGI does not show: whether its reader keeps up, whether the peer is there at
all, and how to let go.

uvicorn's ``send`` waits while too much is unsent. Daphne's never does, but Twisted tells a producer when to
pause, so here is one. Of any other server nothing is known: there only so many bytes are written, and then
the stream is rotated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from notifications.conf import hub_config
from notifications.streaming.asgi import Send
from notifications.streaming.frames import CloseReason

logger = logging.getLogger(__name__)

# Where the outermost application leaves the server's own `send` in the scope, before anything is wrapped
# around it.
SERVER_SEND: Final = "notifications.send"

# Parts of ``slow_reader_seconds``. A reader that wakes up within the first still reads its `stream.close`;
# then the kernel lets go.
LAST_WORD_PART: Final = 0.1
# A peer that is there answers at least every idle part, and one that does not within the silence part is
# gone.
IDLE_PART: Final = 1 / 3
INTERVAL_PART: Final = 1 / 6
SILENCE_PART: Final = 2 / 3
MIN_SILENCE_SECONDS: Final = 2.0  # the kernel counts whole seconds
MAX_UNSENT_BYTES: Final = (
    131_072  # in the kernel, of one connection; what it has sent and is not acknowledged comes on top
)
LOOKS_AT_ONCE: Final = 1_000

# Of Linux's `struct tcp_info`: `tcpi_last_data_sent` and `tcpi_last_ack_recv` (milliseconds), and
# `tcpi_notsent_bytes`.
_INFO: Final = struct.Struct("=44xI8xI84xI")

# What a socket says that is closed already; the one of uvloop's transports says it has no number.
_CLOSED: Final = (OSError, ValueError)


def tune(tuned: Any) -> None:
    """Have the kernel close connections to peers that have vanished or never read. A listening socket's are
    inherited.

    Args:
        tuned: a socket, or what a server gives for one. One that is not of TCP stays as it is.
    """
    if tuned.family not in (socket.AF_INET, socket.AF_INET6):
        return
    seconds = hub_config().slow_reader_seconds
    options = {
        "TCP_KEEPIDLE": max(1, round(seconds * IDLE_PART)),
        "TCP_KEEPINTVL": max(1, round(seconds * INTERVAL_PART)),
        "TCP_USER_TIMEOUT": round(seconds * (1 + LAST_WORD_PART) * 1000),
        "TCP_NOTSENT_LOWAT": MAX_UNSENT_BYTES,
    }
    tuned.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            tuned.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Peer(NamedTuple):
    """What is known of a reader.

    Attributes:
        silent_seconds: for how long its kernel has answered nothing; keepalive asks it when there is nothing
            to acknowledge.
        stuck_seconds: for how long nothing could be sent to it that waits to be; 0 when nothing waits.
    """

    silent_seconds: float = 0.0
    stuck_seconds: float = 0.0


UNKNOWN: Final = Peer()


class Wire:
    """Under a server of which nothing is known: nothing can be seen, and nothing done but to write no
    more.
    """

    __slots__ = ()

    @property
    def is_behind(self) -> bool:
        """Whether the reader has not taken what the server was given, so that the next write has to wait."""
        return False

    def pace(self, send: Send, on_spent: Callable[[], None]) -> Send:
        """A ``send`` that does not let what is unsent grow without bound: it waits, or calls ``on_spent``
        when enough was written.
        """
        left = hub_config().max_stream_bytes

        async def counted(message: Any) -> None:
            nonlocal left
            await send(message)
            left -= len(message.get("body", b""))
            if left <= 0:
                on_spent()

        return counted

    def write_now(self, body: bytes) -> bool:
        """Write a part of the answer's body at once, if the server is known to take it without waiting;
        whether it did.
        """
        return False

    def peer(self) -> Peer:
        """How the reader is, as far as that can be seen."""
        return UNKNOWN

    def abort(self) -> None:
        """Drop the connection, with what is unsent; a disconnect follows."""

    def break_off(self) -> bool:
        """Close the connection once what is unsent has gone out, so that the answer ends without its end;
        whether that can be done.

        A disconnect follows. Nothing may be sent any more.
        """
        return False


class SocketWire(Wire):
    """With a socket that can be seen.

    Args:
        carrier: the socket, or what the server gives for it; None when it gives none.
    """

    __slots__ = ("_tcp",)

    def __init__(self, carrier: Any) -> None:
        is_tcp = carrier is not None and carrier.family in (socket.AF_INET, socket.AF_INET6)
        self._tcp = carrier if is_tcp else None
        with contextlib.suppress(*_CLOSED):
            if is_tcp:
                tune(carrier)

    def peer(self) -> Peer:
        """What the kernel knows of it."""
        if self._tcp is None or not hasattr(socket, "TCP_INFO"):
            return UNKNOWN
        try:
            info = self._tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
            sent_ms, answered_ms, unsent_bytes = _INFO.unpack(info)
        except (*_CLOSED, struct.error):  # closed already; another kernel
            return UNKNOWN
        return Peer(answered_ms / 1000, sent_ms / 1000 if unsent_bytes else 0.0)


class UvicornWire(SocketWire):
    """Under uvicorn, whose ``send`` waits by itself.

    Args:
        cycle: its request and response.
    """

    __slots__ = ("_cycle", "_flow", "_transport")

    def __init__(self, cycle: Any) -> None:
        self._cycle, self._flow, self._transport = cycle, cycle.flow, cycle.transport
        super().__init__(self._transport.get_extra_info("socket"))

    @property
    def is_behind(self) -> bool:
        """Whether ``send`` would wait."""
        return bool(self._flow.write_paused)

    def write_now(self, body: bytes) -> bool:
        """What ``send`` does with such a message when it need not wait, without a task, a message and a
        deadline for it.
        """
        cycle = self._cycle
        if self._flow.write_paused or cycle.disconnected or not getattr(cycle, "chunked_encoding", None):
            return False
        self._transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def pace(self, send: Send, on_spent: Callable[[], None]) -> Send:
        """As it is."""
        return send

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def break_off(self) -> bool:
        """Close it; what uvicorn's transport holds goes out before."""
        self._transport.close()
        return True


class DaphneWire(SocketWire):
    """Under Daphne: the producer that Twisted tells when to pause.

    Args:
        request: Twisted's.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        transport: Any = getattr(request.channel, "transport", None)
        self._transport = transport
        handle = transport.getHandle() if hasattr(transport, "getHandle") else None
        super().__init__(handle if isinstance(handle, socket.socket) else None)
        self._may_write = asyncio.Event()
        self._may_write.set()

    @property
    def is_behind(self) -> bool:
        """Whether Twisted's buffer is full."""
        return not self._may_write.is_set()

    def pace(self, send: Send, on_spent: Callable[[], None]) -> Send:
        """Wait while Twisted's buffer is full."""
        if self._transport is not None:
            self._request.registerProducer(self, True)

        async def paced(message: Any) -> None:
            await self._may_write.wait()
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._let_go()
            await send(message)

        return paced

    def abort(self) -> None:
        """Drop the connection; Twisted's polite way waits for its buffer, for ever."""
        if self._transport is not None:
            self._transport.abortConnection()

    def break_off(self) -> bool:
        """Close it; what Twisted's buffer holds goes out before."""
        if self._transport is None:
            return False
        self._let_go()
        self._transport.loseConnection()
        return True

    def _let_go(self) -> None:
        if self._request.producer is self and self._request.channel is not None:
            self._request.unregisterProducer()

    # What Twisted calls.

    def pauseProducing(self) -> None:  # noqa: N802
        """Its buffer is full."""
        self._may_write.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Its buffer is empty."""
        self._may_write.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone, and nobody is to wait for it."""
        self._may_write.set()


def wire_under(send: Any) -> Wire:
    """The wire under a server's own ``send``."""
    cycle = getattr(send, "__self__", None)
    if hasattr(cycle, "flow") and hasattr(getattr(cycle, "transport", None), "abort"):
        return UvicornWire(cycle)
    if isinstance(send, partial) and send.args and hasattr(send.args[0], "registerProducer"):
        return DaphneWire(send.args[0])
    return Wire()


class Wired(Protocol):
    """What has a wire, and can be closed."""

    def close(self, reason: CloseReason) -> None:
        """End it politely."""

    @property
    def wire(self) -> Wire:
        """Its wire."""


async def watch_peers(connections: Collection[Wired]) -> None:
    """Let go of peers that have vanished, and close the streams of those that take nothing; go on until
    cancelled.

    The kernel lets go of both in the end. But it counts a peer's silence from the next frame only, which may
    come as late as the next heartbeat; and so little may wait for a reader that no write ever has to.
    """
    later = asyncio.get_running_loop().call_later
    while True:
        seconds = hub_config().slow_reader_seconds
        interval = seconds * INTERVAL_PART
        await asyncio.sleep(interval)
        silence = max(seconds * SILENCE_PART, round(seconds * IDLE_PART) + MIN_SILENCE_SECONDS)
        for number, connection in enumerate(tuple(connections), start=1):
            peer = connection.wire.peer()
            if peer.silent_seconds > silence:
                logger.info("A peer has not answered for %g s; its connection is dropped", silence)
                connection.wire.abort()
            elif peer.stuck_seconds > seconds - interval:
                later(max(0.0, seconds - peer.stuck_seconds), _close_stuck, connection, seconds)
            if number % LOOKS_AT_ONCE == 0:
                await asyncio.sleep(0)


def _close_stuck(connection: Wired, seconds: float) -> None:
    if connection.wire.peer().stuck_seconds >= seconds * (1 - LAST_WORD_PART):
        connection.close("slow")
