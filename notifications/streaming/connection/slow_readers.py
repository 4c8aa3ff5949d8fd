"""Readers that are too slow: peers that have vanished, and peers that read nothing.

The third way to be too slow, to read less than comes, is a deadline of the writer's
(``notifications.streaming.connection.writer``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final, Protocol

from notifications.conf import hub_config
from notifications.streaming.connection.transport import (
    IDLE_PART,
    INTERVAL_PART,
    LAST_FRAME_PART,
    MIN_SILENCE_SECONDS,
    SILENCE_PART,
    Transport,
)
from notifications.streaming.frames import CloseReason

logger = logging.getLogger(__name__)

PEERS_PER_ITERATION: Final = 1_000  # examined before the event loop may do something else


class Watched(Protocol):
    """A stream whose peer is watched."""

    def close(self, reason: CloseReason) -> None:
        """End the stream with a last frame."""

    @property
    def transport(self) -> Transport:
        """The connection below ASGI."""


async def watch_peers(connections: Collection[Watched]) -> None:
    """Drop peers that have vanished, and close the streams of peers that read nothing, until cancelled.

    The kernel closes both in the end. But it counts a peer's silence only from the next frame, which may come
    as late as the next heartbeat; and so little may be unsent that no write ever has to wait for the reader.
    """
    later = asyncio.get_running_loop().call_later
    while True:
        seconds = hub_config().slow_reader_seconds
        interval = seconds * INTERVAL_PART
        await asyncio.sleep(interval)
        silence = max(seconds * SILENCE_PART, round(seconds * IDLE_PART) + MIN_SILENCE_SECONDS)
        for number, connection in enumerate(tuple(connections), start=1):
            peer = connection.transport.peer()
            if peer.silent_seconds > silence:
                logger.info("A peer has not answered for %g s; its connection is dropped", silence)
                connection.transport.abort()
            elif peer.stuck_seconds > seconds - interval:
                later(max(0.0, seconds - peer.stuck_seconds), _close_stuck, connection, seconds)
            if number % PEERS_PER_ITERATION == 0:
                await asyncio.sleep(0)


def _close_stuck(connection: Watched, seconds: float) -> None:
    if connection.transport.peer().stuck_seconds >= seconds * (1 - LAST_FRAME_PART):
        connection.close("slow")
