"""What every open stream has, a user's or the staff's: a task that writes, a reason for which it ends, and a
last word.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from functools import partial
from typing import Final

from notifications.conf import hub_config
from notifications.streaming import timing
from notifications.streaming.asgi import Receive, Send
from notifications.streaming.connection.send_queue import joined
from notifications.streaming.connection.transport import LAST_WORD_PART, Wire
from notifications.streaming.connection.wakeup import Alarm
from notifications.streaming.connection.writer import Sender
from notifications.streaming.frames import CloseReason
from notifications.streaming.tasks import run_until_gone

logger = logging.getLogger(__name__)

LAST_WORD_SECONDS: Final = 0.25  # when the server itself stops
# Not a byte of data follows these (I15).
SILENT: Final = frozenset({"revoked"})


class OpenStream(ABC):
    """A stream from its first frame to its last.

    Args:
        send: the ASGI callable.
        wire: what lies under it.
    """

    # In a dictionary so many attributes would take 1.3 KB more, and there are ten thousand streams.
    __slots__ = (
        "__weakref__", "_clock", "_closing", "_gone", "_may_return", "_rotate_at", "_sender", "_wake", "_written_at", "wire",
    )  # fmt: skip

    def __init__(self, send: Send, wire: Wire) -> None:
        self._clock = asyncio.get_running_loop().time
        self.wire = wire
        self._sender = Sender(wire.pace(send, partial(self.close, "rotate")), wire)
        self._wake, self._gone = Alarm(), Alarm()
        self._written_at = self._clock()
        self._rotate_at = self._clock() + timing.spread(hub_config().max_stream_seconds)
        self._closing: CloseReason | None = None
        self._may_return = False

    def close(self, reason: CloseReason, *, may_return: bool = False) -> None:
        """End the stream soon, with this reason unless there is one already; for ``may_return`` see
        ``Ending``.
        """
        if self._closing is None or (reason in SILENT and self._closing not in SILENT):
            self._closing, self._may_return = reason, may_return
        self._wake.set()
        if reason in SILENT:
            self._sender.cut()

    @abstractmethod
    async def _work(self) -> None:
        """Write until the stream is over, or is to be closed. Raises ``TimeoutError`` when the reader takes
        nothing.
        """

    @abstractmethod
    async def _finish(self, seconds: float) -> None:
        """Say why it ends, if there is a reason to tell, within ``seconds``; else drop the connection."""

    def _leave(self) -> None:  # noqa: B027 (not every stream takes something)
        """Take nothing more; called before the last word, and perhaps again."""

    async def _serve(self, receive: Receive, *, name: str) -> None:
        """Write until the stream is over or the client has gone; nothing is left behind then.

        Args:
            name: of the task that writes.
        """
        await run_until_gone(receive, self._write(), name=name, on_gone=self._gone.set)

    async def _write(self) -> None:
        try:
            await self._work()
        except TimeoutError:
            if self._closing not in SILENT:
                logger.info("%s ends: its reader takes nothing", self)
                self._closing = "slow"
        except asyncio.CancelledError:
            # A server that stops cancels; one whose client has gone does, too, and then there is nobody to
            # tell.
            if not self._gone:
                self._closing = self._closing or "shutdown"
                await self._finish(LAST_WORD_SECONDS)
            raise
        except Exception:
            logger.exception("%s ends by an error", self)
            self._closing = "error"
        self._leave()
        seconds = hub_config().slow_reader_seconds
        await self._finish(seconds * LAST_WORD_PART if self._closing == "slow" else seconds)

    async def _write_all(self, frames: list[bytes]) -> bool:
        """Write frames, in few writes; whether all of them might be written.

        Raises:
            TimeoutError: the reader has taken nothing for too long.
        """
        for body in joined(frames):
            await self._sender.write(body)
            self._written(len(body))
            if self._closing in SILENT:
                return False
        return True

    def _written(self, size: int) -> None:
        """So many bytes have just been written."""
        self._written_at = self._clock()
