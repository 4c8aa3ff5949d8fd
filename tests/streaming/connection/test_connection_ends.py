"""How streams end whose reader is behind: nothing more is written than may be, and nothing is lost."""

from __future__ import annotations

import asyncio

from django.contrib.auth.models import User
from django.test import override_settings

from notifications.event_types import UntypedEvent
from notifications.streaming.connection.connection import Connection
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

LARGE = UntypedEvent(type_name="big.event", fields={"x": "x" * 30_000})


@override_settings(NOTIFICATION_HUB={"max_stream_bytes": 65_536, "max_queue_bytes": 65_536})
async def test_server_that_says_nothing__stream_is_rotated_after_so_many_bytes_and_loses_nothing(
    ada: User, streams: Streams
) -> None:
    for _ in range(7):
        await send_to(ada, event=LARGE)
    after, seen, rounds = "earliest", list[int](), 0
    while len(seen) < 7:
        stream = await streams.open(ada, f"after={after}&closeafter=live")
        assert await stream.wait_ended() == "clean"
        seen += [event.json["position"] for event in stream.events if "position" in event.json]
        after, rounds = stream.ids[-1], rounds + 1
        assert sum(len(event.data) for event in stream.events) < 3 * 65_536
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert rounds > 1


async def behind(streams: Streams, ada: User) -> tuple[AsgiStream, Connection]:
    """A live stream whose reader takes nothing any more, and the connection that serves it."""
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    stream.may_take.clear()
    (connection,) = current_runtime()._serving
    return stream, connection


async def test_revoked__while_a_change_waits_for_the_reader__not_a_byte_of_data_follows(
    ada: User, streams: Streams
) -> None:
    stream, connection = await behind(streams, ada)
    for _ in range(3):
        await send_to(ada)
    await wait_until_async(lambda: connection._writer._deadline is not None, what="a blocked write")
    connection.close("revoked")
    await wait_until_async(lambda: not current_runtime().fanout, what="the end of the fan-out to it")
    stream.may_take.set()
    assert (await stream.expect("stream.close")).json["reason"] == "revoked"
    await stream.task
    assert [event.type for event in stream.events] == ["stream.open", "stream.live", "stream.close"]


async def test_revoked__while_the_last_frame_waits_for_the_reader__ends_at_once(
    ada: User, streams: Streams
) -> None:
    with override_settings(NOTIFICATION_HUB={"slow_reader_seconds": 600}):
        stream, connection = await behind(streams, ada)
        connection.close("rotate")
        await wait_until_async(lambda: connection._writer._deadline is not None, what="a blocked write")
        connection.close("revoked")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.task
    assert [event.type for event in stream.events] == ["stream.open", "stream.live"]
