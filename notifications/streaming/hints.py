"""Tells every process that inboxes have changed, after the commit: best effort, and never in anybody's way.

A hint that is lost costs the reconciliation interval and never a notification. So hints wait in a bounded queue that keeps
one position for each user, a hung channel layer holds up nobody but the publisher's own thread, and what cannot be sent is
dropped and counted.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from channels.layers import InMemoryChannelLayer, get_channel_layer

from notifications.streaming.fanout import user_key
from notifications.streaming.groups import ALL_INBOXES, group_of, hint_message
from notifications.streaming.metrics import METRICS

logger = logging.getLogger(__name__)

MAX_PENDING: Final = 100_000  # users whose hints may wait; what comes on top is dropped
MAX_SINGLE_HINTS: Final = 32  # users at once from which on one hint goes to every process
MAX_HEADS_PER_HINT: Final = 500
SEND_SECONDS: Final = 2.0
BREAKER_SECONDS: Final = 2.0
EXIT_SECONDS: Final = 1.0


def publish(heads: Mapping[Any, int]) -> None:
    """Hint at the new heads of some users' inboxes. Any thread; never blocks, never raises, promises nothing.

    Args:
        heads: from the primary key of each user to the inbox's new head, committed.
    """
    try:
        layer = get_channel_layer()
        if layer is None:
            return
        by_key = {user_key(user_id): head for user_id, head in heads.items()}
        if isinstance(layer, InMemoryChannelLayer):
            for publisher in tuple(_loop_publishers.values()):
                publisher.put(by_key)
        else:
            _thread_publisher().put(by_key)
    except Exception:
        logger.exception("A hint was not sent; streams will notice by themselves")


def start_in(loop: asyncio.AbstractEventLoop) -> None:
    """Take hints for streams on this loop, which is how they travel over the in-memory layer."""
    for known in tuple(_loop_publishers):
        if known.is_closed():
            del _loop_publishers[known]
    _loop_publishers[loop] = LoopPublisher(loop)


def stop_in(loop: asyncio.AbstractEventLoop) -> None:
    """Streams on this loop have ended."""
    _loop_publishers.pop(loop, None)


class Pending:
    """Hints that wait: the newest position of each user, for a bounded number of users."""

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        self.dropped_count = 0

    def __bool__(self) -> bool:
        return bool(self._heads)

    def add(self, heads: Mapping[str, int]) -> None:
        """Add hints; those of further users are dropped once it is full."""
        for key, head in heads.items():
            if key in self._heads:
                self._heads[key] = max(head, self._heads[key])
            elif len(self._heads) < MAX_PENDING:
                self._heads[key] = head
            else:
                self.dropped_count += 1

    def take(self) -> dict[str, int]:
        """All of them; none wait after it."""
        taken, self._heads = self._heads, {}
        return taken


class LoopPublisher:
    """Sends hints over a channel layer that lives in this process, on the loop of its streams.

    The in-memory layer is not thread-safe, and wakes nobody from a foreign thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._pending = Pending()
        self._sending: asyncio.Task[None] | None = None

    def put(self, heads: Mapping[str, int]) -> None:
        """Take hints from any thread."""
        with self._lock:
            is_scheduled = bool(self._pending)
            self._pending.add(heads)
        if not is_scheduled and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send)

    def _send(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = self._loop.create_task(self._send_all(), name="hub hints out")

    async def _send_all(self) -> None:
        while True:
            with self._lock:
                heads = self._pending.take()
            if not heads:
                return
            try:
                await send_hints(get_channel_layer(), heads)
                METRICS.hints["sent"] += len(heads)
            except Exception:
                METRICS.hints["dropped"] += len(heads)
                logger.exception("Hints were not sent; streams will notice by themselves")


class ThreadPublisher:
    """Sends hints over a channel layer that other processes share, from one daemon thread with a loop of its own.

    After a failure it drops hints for a moment instead of waiting for each: a breaker.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changed = threading.Condition()
        self._pending = Pending()
        self._is_sending = False
        self._is_failing = False
        self._thread: threading.Thread | None = None

    @property
    def dropped_count(self) -> int:
        """Hints that were dropped so far."""
        return self._pending.dropped_count

    def put(self, heads: Mapping[str, int]) -> None:
        """Take hints from any thread."""
        with self._changed:
            self._pending.add(heads)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hub-hints", daemon=True)
                self._thread.start()
                atexit.register(self.flush, EXIT_SECONDS)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until what was put is sent or dropped, at most that long; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and not self._is_sending, seconds)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_PublisherLoop) as runner:
            closed_until = 0.0
            while True:
                heads = self._take()
                if time.monotonic() < closed_until:
                    self._drop(heads)
                elif not runner.run(self._send(heads)):
                    self._drop(heads)
                    closed_until = time.monotonic() + BREAKER_SECONDS

    def _take(self) -> dict[str, int]:
        with self._changed:
            self._is_sending = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._pending))
            self._is_sending = True
            return self._pending.take()

    def _drop(self, heads: Mapping[str, int]) -> None:
        with self._changed:
            self._pending.dropped_count += len(heads)
            METRICS.hints["dropped"] += len(heads)

    async def _send(self, heads: Mapping[str, int]) -> bool:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await send_hints(get_channel_layer(), heads)
        except Exception as error:  # noqa: BLE001 (a layer may raise anything)
            if not self._is_failing:
                logger.warning(
                    "Hints cannot be sent; streams notice changes by themselves, seconds later: %r", error
                )
            self._is_failing = True
            return False
        METRICS.hints["sent"] += len(heads)
        if self._is_failing:
            logger.info("Hints are sent again; %d were dropped so far", self.dropped_count)
        self._is_failing = False
        return True


class _PublisherLoop(asyncio.SelectorEventLoop):
    """A loop that looks names up in its own thread: at the interpreter's exit, when a last hint may have to go out, the executor takes nothing more."""

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


async def send_hints(layer: Any, heads: Mapping[str, int]) -> None:
    """Send hints to each user's group; for very many users, to every process instead."""
    items = list(heads.items())
    if len(items) <= MAX_SINGLE_HINTS:
        for key, head in items:
            await layer.group_send(group_of(key), hint_message([(key, head)]))
        return
    for start in range(0, len(items), MAX_HEADS_PER_HINT):
        await layer.group_send(ALL_INBOXES, hint_message(items[start : start + MAX_HEADS_PER_HINT]))


_loop_publishers: dict[asyncio.AbstractEventLoop, LoopPublisher] = {}
_publisher: ThreadPublisher | None = None
_publisher_lock = threading.Lock()


def _thread_publisher() -> ThreadPublisher:
    """This process's own: a child of fork() has inherited the object, but not its thread."""
    global _publisher
    with _publisher_lock:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = ThreadPublisher()
        return _publisher
