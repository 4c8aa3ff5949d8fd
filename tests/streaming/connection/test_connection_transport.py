"""What is written at once: only where `send` would not wait, and to no closed connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from notifications.streaming.connection.transport import UNKNOWN_PEER, Peer, SocketTransport, UvicornTransport
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def get_extra_info(self, name: str) -> None:
        """It has no socket."""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data


@pytest.mark.parametrize(
    ("changed", "is_written"),
    [
        ({}, True),
        ({"disconnected": True}, False),
        ({"chunked_encoding": None}, False),
        ({"flow": SimpleNamespace(write_paused=True)}, False),
    ],
    ids=["ready", "disconnected", "not chunked", "behind"],
)
def test_write_now__only_where_send_would_not_wait__writes_one_chunk(
    changed: dict[str, Any], is_written: bool
) -> None:
    transport = Transport()
    ready = {"disconnected": False, "chunked_encoding": True, "flow": SimpleNamespace(write_paused=False)}
    under = UvicornTransport(SimpleNamespace(transport=transport, **(ready | changed)))
    assert under.write_now(b"event: x\ndata: {}\n\n") is is_written
    assert transport.written == (b"13\r\nevent: x\ndata: {}\n\n\r\n" if is_written else b"")


class Closing(asyncio.Protocol):
    """Says when its connection is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self.closed.set()


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.Loop], ids=["asyncio", "uvloop"])
def test_peer__whose_connection_is_closed__is_unknown(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def look() -> tuple[Peer, Peer, Peer]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                Closing, *server.getsockname()
            )
            under = SocketTransport(transport.get_extra_info("socket"))
            before = under.peer()
            transport.abort()
            await asyncio.wait_for(protocol.closed.wait(), PATIENCE_SECONDS)
            return before, under.peer(), SocketTransport(transport.get_extra_info("socket")).peer()

    with asyncio.Runner(loop_factory=loop) as runner:
        before, *after = runner.run(look())
    assert before is not UNKNOWN_PEER
    assert after == [UNKNOWN_PEER, UNKNOWN_PEER]
