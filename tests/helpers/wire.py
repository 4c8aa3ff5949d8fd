"""What tests of real streams ask of them again and again."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from tests.helpers.ports import HOST
from tests.helpers.sse import ServerSentEvent, StreamRecord
from tests.helpers.waiting import PATIENCE_SECONDS


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


def status_of(answer: bytes) -> int:
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1])
