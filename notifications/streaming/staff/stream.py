"""One open stream of the staff's: a bounded queue, a writer, a heartbeat, and an end.

It has no cursor that must not be lost: what a slow reader does not take is dropped, the oldest first,
counted, and said.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from notifications.conf import hub_config
from notifications.streaming import frames, timing
from notifications.streaming.asgi import Receive, Send
from notifications.streaming.connection.open_stream import OpenStream
from notifications.streaming.connection.transport import Transport
from notifications.streaming.frames import Ending
from notifications.streaming.staff import frames as staff_frames
from notifications.streaming.staff.authorization import StaffRight
from notifications.streaming.tasks import cancel_all

logger = logging.getLogger(__name__)

# What a stream is fed by: it runs as long as the stream does, and the stream as long as it does.
Feed = Callable[["StaffStream"], Awaitable[None]]
MAX_FRAMES: Final = 500


class StaffStream(OpenStream):
    """A stream from its first frame to its last.

    Args:
        send: the ASGI callable.
        transport: what lies under it.
        right: by what right it is open.
        feed: what fills it.
    """

    def __init__(self, *, send: Send, transport: Transport, right: StaffRight, feed: Feed) -> None:
        super().__init__(send, transport)
        self.right = right
        self._feed = feed
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._dropped_count = 0
        self._is_written = asyncio.Event()
        self._is_written.set()
        self._is_over = False

    def offer(self, frame: bytes) -> None:
        """Queue a frame; when too much waits, the oldest is dropped."""
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        most = hub_config().max_queue_bytes
        while len(self._queue) > MAX_FRAMES or (self._queued_bytes > most and len(self._queue) > 1):
            self._queued_bytes -= len(self._queue.popleft())
            self._dropped_count += 1
        self._is_written.clear()
        self._wakeup.set()

    def prepend(self, earlier: Iterable[bytes]) -> None:
        """Queue frames before those that wait."""
        later = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        for frame in (*earlier, *later):
            self.offer(frame)

    async def wait_until_written(self) -> None:
        """Wait until everything that was queued is written: for a feed that can wait."""
        await self._is_written.wait()

    async def run(self, receive: Receive) -> None:
        """Serve the stream until it is over or the client has gone; nothing is left behind then."""
        feeding = asyncio.create_task(self._fed(), name="hub staff feed")
        try:
            await self._serve(receive, name="hub staff stream")
        finally:
            await cancel_all([feeding])

    async def _fed(self) -> None:
        try:
            await self._feed(self)
        except Exception:
            logger.exception("%s ends by an error", self)
            self.close("error")
        else:
            self._is_over = True
            self._wakeup.set()

    def __str__(self) -> str:
        return "A stream of the staff's"

    async def _work(self) -> None:
        await self._writer.start([])
        while self._closing is None:
            self._wakeup.clear()
            if self._queue or self._dropped_count:
                await self._write_all(self._take())
            elif self._is_over:
                break
            else:
                await self._wait()

    def _take(self) -> list[bytes]:
        waiting = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        dropped, self._dropped_count = self._dropped_count, 0
        return [staff_frames.frame("tail.dropped", {"count": dropped}), *waiting] if dropped else waiting

    async def _wait(self) -> None:
        """Until something comes, or a heartbeat or the rotation is due."""
        self._is_written.set()
        heartbeat_at = self._written_at + hub_config().heartbeat_seconds
        try:
            async with asyncio.timeout_at(min(heartbeat_at, self._rotate_at)):
                await self._wakeup.wait()
        except TimeoutError:
            if self._clock() >= self._rotate_at:
                self.close("rotate")
            else:
                await self._write_all([staff_frames.heartbeat()])

    async def _finish(self, seconds: float) -> None:
        """The last frame, if there is a reason to tell; the connection is dropped when the reader does not
        take it in time.
        """
        body = b""
        if self._closing is not None:
            retry_ms, ending = timing.retry_ms(self._closing), Ending(self._closing, self._must_reconnect)
            body = frames.stream_close(reason=self._closing, retry_ms=retry_ms, reconnect=ending.reconnect)
        await self._writer.finish(body, seconds, self._disconnected)
