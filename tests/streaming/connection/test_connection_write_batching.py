"""A resting connection writes the first frame of a loop iteration at once, the rest in one write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from notifications.payloads import ChangeRow
from notifications.selectors import InboxState
from notifications.streaming.asgi import Headers
from notifications.streaming.concurrency_limit import ConcurrencyLimit
from notifications.streaming.connection import write_batching
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.connection import Connection
from notifications.streaming.connection.log_position import ResumePlan
from notifications.streaming.connection.request import StreamRequest
from notifications.streaming.connection.transport import UvicornTransport
from notifications.streaming.credential import Credential
from notifications.streaming.frames import CloseReason
from notifications.streaming.process.fanout import Fanout
from notifications.streaming.transient import TransientEvent
from tests.helpers.waiting import wait_until_async

pytestmark = pytest.mark.shape("embedded")

EPOCH = "abcdefgh"


class Transport:
    """Keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def get_extra_info(self, name: str) -> None:
        """It has no socket."""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.writes.append(data)

    def abort(self) -> None:
        """There is nothing to drop."""


@contextlib.asynccontextmanager
async def at_rest() -> AsyncIterator[tuple[Connection, Transport, list[bytes]]]:
    """A live connection whose writer sleeps, its transport, and the bodies that went by `send`."""
    transport, sent = Transport(), list[bytes]()
    cycle = SimpleNamespace(
        flow=SimpleNamespace(write_paused=False),
        transport=transport,
        disconnected=False,
        chunked_encoding=True,
    )

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    ignore: Any = lambda *_: None  # noqa: E731
    connection = Connection(
        key=uuid4(),
        send=send,
        transport=UvicornTransport(cycle),
        request=StreamRequest.parse({}, Headers({"headers": []})),
        credential=Credential(1, session_fingerprint=None),
        fanout=Fanout(on_membership=ignore, on_behind=ignore, on_look=ignore),
        backlog_limit=ConcurrencyLimit(1),
        state=InboxState(1, EPOCH, 0, 0, 0),
        plan=ResumePlan("none", 0),
        headers=[],
    )
    writing = asyncio.create_task(connection._write())
    await wait_until_async(lambda: connection._wakeup.is_awaited, what="the writer to sleep")
    transport.writes.clear()
    try:
        yield connection, transport, sent
    finally:
        writing.cancel()
        await asyncio.wait([writing])


def change(position: int) -> SharedChange:
    """An all-read change."""
    empty: dict[str, Any] = dict.fromkeys(ChangeRow._fields)
    values = {"inbox_id": 1, "position": position, "kind": "read_all", "at": "2026-11-21T03:00:00.000000Z"}
    return SharedChange(ChangeRow(**(empty | values | {"unread_count": 0, "up_to": 0})), EPOCH)


async def test_changes_of_one_turn__the_first_goes_at_once_and_the_rest_in_one_write() -> None:
    async with at_rest() as (connection, transport, _):
        first, *rest = changes = [change(position) for position in (1, 2, 3)]
        for each in changes:
            connection.offer(each)
        assert len(transport.writes) == 1
        assert first.frame in transport.writes[0]
        assert connection.progress.position == 1
        await asyncio.sleep(0)
        assert [b"".join(each.frame for each in rest) in body for body in transport.writes] == [False, True]
        assert connection.progress.position == 3
        connection.offer(change(4))
        assert len(transport.writes) == 3


async def test_frame_that_waits_for_a_later_iteration__is_not_overtaken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at_rest() as (connection, transport, _):
        with monkeypatch.context() as crowded:
            crowded.setattr(write_batching, "MAX_WRITES_PER_ITERATION", 0)
            connection.offer(change(1))
        connection.offer(change(2))
        assert transport.writes == []
        await asyncio.sleep(0)
        [written] = transport.writes
        assert change(1).frame + change(2).frame in written


async def test_right_that_has_ended__nothing_more_is_written_at_once() -> None:
    async with at_rest() as (connection, transport, sent):
        event = TransientEvent.emitted(b"event: a.b\ndata: {}\n\n", "a.b", "")
        connection.close("revoked")
        connection.offer_transient(event)
        connection.offer(change(1))
        await wait_until_async(lambda: sent and b"stream.close" in sent[-1], what="the last frame")
        assert transport.writes == []
        assert [body for body in sent if b"a.b" in body or b"inbox.read" in body] == []


async def test_rotation__of_streams_that_open_together__is_spread_by_a_fifth_to_either_side() -> None:
    async with contextlib.AsyncExitStack() as stack:
        connections = [(await stack.enter_async_context(at_rest()))[0] for _ in range(40)]
        ages = [connection._rotate_at - asyncio.get_running_loop().time() for connection in connections]
    assert 470 < min(ages) < 590  # all forty above it: once in 10**10 runs
    assert 610 < max(ages) <= 720


@pytest.mark.parametrize(("reason", "is_flushed"), [("revoked", False), ("shutdown", True)])
async def test_close__in_the_moment_in_which_the_server_stops__keeps_its_reason_and_what_follows_from_it(
    reason: CloseReason, is_flushed: bool
) -> None:
    async with at_rest() as (connection, _, sent):
        connection.offer(change(1))
        connection.offer(change(2))  # waits for the end of the iteration
        connection.close(reason)
    last = b"".join(sent[-1:])
    assert (b'"position":2' in last.replace(b" ", b""), f'"{reason}"'.encode() in last) == (is_flushed, True)
    assert connection.end_reason == reason
