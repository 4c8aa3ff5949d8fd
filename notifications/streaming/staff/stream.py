"""One open staff stream: a bounded queue, a writer task and heartbeats.

What it shows can be looked up elsewhere. So when the queue is full, the oldest frames are dropped, and the
reader is told how many.
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

# Feeds a stream with frames. When the feed returns, the stream ends; when the stream ends, it is cancelled.
Feed = Callable[["StaffStream"], Awaitable[None]]
MAX_FRAMES: Final = 500


class StaffStream(OpenStream):
    """A staff stream from its first frame to its last.

    Args:
        send: the ASGI callable.
        transport: the connection below it.
        right: the right under which it is open.
        feed: feeds it with frames.
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
        """Queue a frame; drop the oldest ones if the queue is full."""
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        max_bytes = hub_config().max_queue_bytes
        while len(self._queue) > MAX_FRAMES or (self._queued_bytes > max_bytes and len(self._queue) > 1):
            self._queued_bytes -= len(self._queue.popleft())
            self._dropped_count += 1
        self._is_written.clear()
        self._wakeup.set()

    def prepend(self, earlier: Iterable[bytes]) -> None:
        """Queue frames before those that are queued already."""
        later = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        for frame in (*earlier, *later):
            self.offer(frame)

    async def wait_until_written(self) -> None:
        """Wait until everything that was queued has been written; for a feed that can wait."""
        await self._is_written.wait()

    async def run(self, receive: Receive) -> None:
        """Serve the stream until it is over or the client has disconnected; then no task is left."""
        feeding = asyncio.create_task(self._run_feed(), name="hub staff feed")
        try:
            await self._serve(receive, name="hub staff stream")
        finally:
            await cancel_all([feeding])

    async def _run_feed(self) -> None:
        try:
            await self._feed(self)
        except Exception:
            logger.exception("%s ends by an error", self)
            self.close("error")
        else:
            self._is_over = True
            self._wakeup.set()

    def __str__(self) -> str:
        return "A staff stream"

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
        queued = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        dropped, self._dropped_count = self._dropped_count, 0
        return [staff_frames.frame("tail.dropped", {"count": dropped}), *queued] if dropped else queued

    async def _wait(self) -> None:
        """Wait until a frame comes, or until a heartbeat or the rotation is due."""
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
        body = b""
        if self._closing is not None:
            retry_ms, ending = timing.retry_ms(self._closing), Ending(self._closing, self._must_reconnect)
            body = frames.stream_close(reason=self._closing, retry_ms=retry_ms, reconnect=ending.reconnect)
        await self._writer.finish(body, seconds, self._disconnected)
