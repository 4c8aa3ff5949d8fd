"""The tests' stream clients against a server that sends exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.helpers.machine.ports import free_port
from tests.helpers.sse import UnexpectedEnd
from tests.helpers.streams import LiveStream, open_stream
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.shape("embedded")

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Thing: yes\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


class ScriptedServer:
    """Answers one connection; the test sends the bytes and decides how it ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/stream?after=a-1"
        self._connected = threading.Event()
        self.request = b""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        self.connection, _ = self._listener.accept()
        while b"\r\n\r\n" not in self.request:
            self.request += self.connection.recv(65_536)
        self.connection.sendall(HEAD)
        self._connected.set()

    def send(self, data: bytes) -> None:
        assert self._connected.wait(PATIENCE_SECONDS)
        self.connection.sendall(data)

    def hang_up(self) -> None:
        assert self._connected.wait(PATIENCE_SECONDS)
        self.connection.close()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(PATIENCE_SECONDS)
        if self._connected.is_set():
            self.connection.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with contextlib.closing(ScriptedServer()) as scripted:
        yield scripted


def test_live_stream__request_and_head__are_what_was_asked_and_sent(server: ScriptedServer) -> None:
    with LiveStream(server.url, headers={"Last-Event-ID": "a-1"}) as stream:
        assert (stream.status, stream.headers["x-thing"]) == (200, "yes")
    assert server.request.startswith(b"GET /stream?after=a-1 HTTP/1.1\r\n")
    assert b"Accept: text/event-stream" in server.request
    assert b"Last-Event-ID: a-1" in server.request


def test_live_stream__event_in_two_chunks__is_expected_once_whole(server: ScriptedServer) -> None:
    with LiveStream(server.url) as stream:
        server.send(chunk(b'event: a\ndata: {"n":'))
        with pytest.raises(UnexpectedEnd, match="came: nothing; the stream is open"):
            stream.expect("a", timeout=0.05)
        server.send(chunk(b" 1}\nid: 7\n\n"))
        event = stream.expect("a")
        assert (event.json, event.id) == ({"n": 1}, "7")
        assert stream.raw == b'event: a\ndata: {"n": 1}\nid: 7\n\n'


def test_live_stream__where__passes_over_what_does_not_match(server: ScriptedServer) -> None:
    with LiveStream(server.url) as stream:
        server.send(chunk(b"event: a\ndata: 1\n\nevent: a\ndata: 2\n\n"))
        assert stream.expect("a", where=lambda event: event.data == "2").data == "2"
        assert [event.data for event in stream.of_type("a")] == ["1", "2"]


def test_live_stream__last_chunk__ends_it_cleanly(server: ScriptedServer) -> None:
    with LiveStream(server.url) as stream:
        server.send(chunk(b"data: 1\n\n") + b"0\r\n\r\n")
        assert stream.wait_ended() == "clean"
        assert stream.expect("message").data == "1"
        with pytest.raises(UnexpectedEnd, match="the stream is clean"):
            stream.expect("message")


@pytest.mark.parametrize("last", [chunk(b"data: 1\n\n"), b"40\r\ndata: half"], ids=["between", "within"])
def test_live_stream__connection_lost__is_told_from_an_end(server: ScriptedServer, last: bytes) -> None:
    with LiveStream(server.url) as stream:
        server.send(last)
        server.hang_up()
        assert stream.wait_ended() == "cut"


def test_live_stream__paused__leaves_the_bytes_in_the_connection(server: ScriptedServer) -> None:
    with LiveStream(server.url, receive_buffer=4096) as stream:
        server.send(chunk(b"data: 1\n\n"))
        stream.expect("message")
        stream.pause()
        server.send(chunk(b"data: 2\n\n"))
        server.connection.settimeout(0.2)
        more_than_all_buffers_hold = chunk(b"data: more\n\n" * 2_000_000)
        with pytest.raises(TimeoutError):
            server.connection.sendall(more_than_all_buffers_hold)
        assert len(stream.events) <= 2  # one read may have been under way


def test_live_stream__closed_by_the_test__hangs_up(server: ScriptedServer) -> None:
    stream = LiveStream(server.url)
    stream.close()
    server.connection.settimeout(PATIENCE_SECONDS)
    assert server.connection.recv(1) == b""
    stream.close()


def test_live_stream__nobody_listens__is_an_error_at_once() -> None:
    with pytest.raises(ConnectionRefusedError):
        LiveStream(f"http://127.0.0.1:{free_port()}/")


async def test_open_stream__events_end_and_deadline__are_those_of_the_thread_s_twin(
    server: ScriptedServer,
) -> None:
    async with open_stream(server.url, headers={"Last-Event-ID": "a-1"}) as stream:
        assert (stream.status, stream.headers["X-Thing"]) == (200, "yes")
        with pytest.raises(UnexpectedEnd):
            await stream.expect("a", timeout=0.05)
        waiting = asyncio.create_task(stream.expect("a"))
        await asyncio.to_thread(server.send, chunk(b"event: b\ndata: 0\n\nevent: a\ndata: 1\n\n"))
        assert (await waiting).data == "1"
        await asyncio.to_thread(server.hang_up)
        assert await stream.wait_ended() == "cut"
    assert b"Last-Event-ID: a-1" in server.request


async def test_open_stream__left__hangs_up(server: ScriptedServer) -> None:
    async with open_stream(server.url) as stream:
        await asyncio.to_thread(server.send, chunk(b"data: 1\n\n"))
        assert (await stream.expect("message")).data == "1"
    server.connection.settimeout(PATIENCE_SECONDS)
    assert await asyncio.to_thread(server.connection.recv, 1) == b""
