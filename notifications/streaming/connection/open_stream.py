"""The base of all open streams: a task that writes, a reason to end, and a last frame."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from functools import partial
from typing import Final

from notifications.conf import hub_config
from notifications.streaming import timing
from notifications.streaming.asgi import Receive, Send
from notifications.streaming.connection.transport import LAST_FRAME_PART, Transport
from notifications.streaming.connection.writer import Writer, bodies
from notifications.streaming.frames import CloseReason
from notifications.streaming.tasks import Wakeup, run_until_disconnect

logger = logging.getLogger(__name__)

LAST_FRAME_SECONDS: Final = 0.25  # for the last frame when the server itself stops
# After these not a byte of data is written (I15).
CUT_OFF_REASONS: Final = frozenset({"revoked"})


class OpenStream(ABC):
    """A stream from its first frame to its last: the base of users' streams and staff streams.

    Args:
        send: the ASGI callable.
        transport: the connection below it.
    """

    # A dictionary of so many attributes would take 1.3 KB more, and there are ten thousand streams.
    __slots__ = (
        "__weakref__",
        "_clock",
        "_closing",
        "_disconnected",
        "_must_reconnect",
        "_rotate_at",
        "_wakeup",
        "_writer",
        "_written_at",
        "transport",
    )

    def __init__(self, send: Send, transport: Transport) -> None:
        self._clock = asyncio.get_running_loop().time
        self.transport = transport
        self._writer = Writer(transport.pace(send, partial(self.close, "rotate")), transport)
        self._wakeup, self._disconnected = Wakeup(), Wakeup()
        self._written_at = self._clock()
        self._rotate_at = self._clock() + timing.with_jitter(hub_config().max_stream_seconds)
        self._closing: CloseReason | None = None
        self._must_reconnect = False

    def close(self, reason: CloseReason, *, must_reconnect: bool = False) -> None:
        """End the stream soon.

        Args:
            reason: why. The first reason counts, unless a later one cuts the stream off at once.
            must_reconnect: as in ``Ending``.
        """
        if self._closing is None or (reason in CUT_OFF_REASONS and self._closing not in CUT_OFF_REASONS):
            self._closing, self._must_reconnect = reason, must_reconnect
        self._wakeup.set()
        if reason in CUT_OFF_REASONS:
            self._writer.cut_short()

    @abstractmethod
    async def _work(self) -> None:
        """Write until the stream is over or has a reason to close.

        Raises:
            TimeoutError: the reader took nothing for too long.
        """

    @abstractmethod
    async def _finish(self, seconds: float) -> None:
        """Write the last frame, if there is one, and end the answer.

        Args:
            seconds: how long the reader may take; then the connection is dropped.
        """

    def _leave(self) -> None:  # noqa: B027 (not every stream is fed by the fan-out)
        """Take nothing more from what feeds the stream. Called before the last frame; may be called again."""

    async def _serve(self, receive: Receive, *, name: str) -> None:
        """Write until the stream is over or the client has disconnected; then no task is left.

        Args:
            receive: the ASGI callable.
            name: the name of the task that writes.
        """
        await run_until_disconnect(receive, self._write(), name=name, on_disconnect=self._disconnected.set)

    async def _write(self) -> None:
        try:
            await self._work()
        except TimeoutError:
            if self._closing not in CUT_OFF_REASONS:
                logger.info("%s ends: its reader takes nothing", self)
                self._closing = "slow"
        except asyncio.CancelledError:
            # A server cancels when it stops, and also when the client has disconnected. Only in the first
            # case is there somebody to read a last frame.
            if not self._disconnected:
                self._closing = self._closing or "shutdown"
                await self._finish(LAST_FRAME_SECONDS)
            raise
        except Exception:
            logger.exception("%s ends by an error", self)
            self._closing = "error"
        self._leave()
        seconds = hub_config().slow_reader_seconds
        await self._finish(seconds * LAST_FRAME_PART if self._closing == "slow" else seconds)

    async def _write_all(self, frames: list[bytes]) -> bool:
        """Write frames in as few writes as possible.

        Returns:
            Whether all of them were written; False when the stream was cut off in between.

        Raises:
            TimeoutError: the reader took nothing for too long.
        """
        for body in bodies(frames):
            await self._writer.write(body)
            self._note_write(len(body))
            if self._closing in CUT_OFF_REASONS:
                return False
        return True

    def _note_write(self, size: int) -> None:
        """Note that ``size`` bytes have just been written."""
        self._written_at = self._clock()
