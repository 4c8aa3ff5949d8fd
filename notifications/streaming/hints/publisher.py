"""Tells every process that inboxes or streams have changed, and passes transient events on: best effort,
never in anybody's way.

A hint that is lost costs the reconciliation interval and never a notification. So hints wait in a bounded
queue that keeps one position for each user (``pending``), a hung channel layer holds up nobody but the
publisher's own thread, and what cannot be sent is dropped and counted. A transient event that is lost is
lost; it goes after the hints that wait with it.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from channels.layers import InMemoryChannelLayer, get_channel_layer

from notifications.conf import hub_config
from notifications.payloads import timestamp
from notifications.services.transient.receipts import Receipt
from notifications.streaming import frames, serving_process
from notifications.streaming.addressing import user_key
from notifications.streaming.hints.announced_heads import Announced
from notifications.streaming.hints.publish_queue import Batch, Pending
from notifications.streaming.hints.seal import Seal, current_seal, find_seal
from notifications.streaming.metrics import METRICS
from notifications.streaming.tasks import OnDemand
from notifications.streaming.transient import Outgoing, TransientEvent, TransientFrame, event_items, probe
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# A stream is behind for hardly longer than one interval: its look at the heads repairs it.
ANNOUNCED_INTERVALS: Final = 3
SEND_SECONDS: Final = 2.0
BREAKER_SECONDS: Final = 2.0
EXIT_SECONDS: Final = 1.0


def publish(heads: Mapping[Any, int]) -> None:
    """Hint at the new heads of some users' inboxes. Any thread; never blocks, never raises, promises nothing.

    Args:
        heads: from the primary key of each user to the inbox's new head, committed.
    """
    by_key = {user_key(user_id): head for user_id, head in heads.items()}
    _announced.add(by_key, now=time.monotonic(), span_seconds=_span_seconds())
    _publish(Batch(heads=by_key))


def publish_looks(user_ids: Iterable[Any]) -> None:
    """Ask every process to look at the streams of some users. Any thread; never blocks, never raises,
    promises nothing.

    Args:
        user_ids: primary keys of the users of whose streams something other than the log has changed,
            committed.
    """
    _publish(Batch(looks=dict.fromkeys(map(user_key, user_ids))))


def publish_event(
    user_ids: Iterable[Any],
    *,
    event_id: UUID,
    event_type: str,
    topic: str,
    at: datetime,
    data: str,
    receipt: Receipt | None = None,
) -> None:
    """Pass a transient event on to the streams of some users. Any thread; never blocks, never raises,
    promises nothing.

    On no stream does it come before a change, or another event, that this process has announced before it.

    Args:
        user_ids: primary keys of the users.
        event_id, event_type, topic, at: what its frame says.
        data: one line of ASCII JSON.
        receipt: told what becomes of it; what goes out in any process after the layer has taken it comes
            after it.
    """
    frame = frames.transient(
        event_id=str(event_id), event_type=event_type, topic=topic, at=timestamp(at), data=data
    )
    event = TransientEvent(TransientFrame(frame), event_type, topic)
    keys = map(user_key, user_ids)
    heads = _announced.of(keys, now=time.monotonic(), span_seconds=_span_seconds())
    _publish_events(event_items(event, heads, receipt), receipt)


def publish_probe(receipt: Receipt) -> None:
    """Find out whether the channel layer takes anything. Any thread; never blocks, never raises; shown to
    nobody.
    """
    _publish_events([probe(receipt)], receipt)


def publish_shows(shows: Iterable[tuple[Any, int]]) -> None:
    """Ask every process to show notifications once more on the streams of their recipients. Any thread; never
    blocks, never raises, promises nothing.

    Args:
        shows: the primary key of each recipient with that of the notification.
    """
    _publish(Batch(shows=dict.fromkeys((user_key(user_id), key) for user_id, key in shows)))


def _span_seconds() -> float:
    return ANNOUNCED_INTERVALS * hub_config().reconcile_seconds


def _publish_events(events: Iterable[Outgoing], receipt: Receipt | None) -> None:
    if receipt is None:
        _publish(Batch(events=list(events)))
        return
    receipt.expect()  # so that it is not settled before every publisher has its parts
    _publish(Batch(events=list(events)))
    receipt.taken()


def _publish(batch: Batch) -> None:
    try:
        layer = get_channel_layer()
        if layer is None:
            METRICS.transient_messages["dropped"] += len(batch.events)
            batch.fail()
            return
        if isinstance(layer, InMemoryChannelLayer):
            if batch.events and not _loop_publishers and not serving_process.is_serving():
                _warn_of_nobody()
            for publisher in tuple(_loop_publishers.values()):
                publisher.put(batch)
        else:
            _thread_publisher().put(batch)
    except Exception:
        batch.fail()
        logger.exception("A hint was not sent; streams will notice by themselves")


@cache
def _warn_of_nobody() -> None:
    """Once. Notifications are noticed by other processes through the database; there is nothing in it for
    these.
    """
    logger.warning(
        "A transient event was emitted in a process that serves no streams, without a channel layer that "
        "others share: nobody sees it. "
        "Set REDIS_URL, or emit it in the serving process."
    )


def start_in(loop: asyncio.AbstractEventLoop) -> None:
    """Take hints for streams on this loop, which is how they travel over the in-memory layer."""
    for known in tuple(_loop_publishers):
        if known.is_closed():
            del _loop_publishers[known]
    _loop_publishers[loop] = LoopPublisher(loop)


def stop_in(loop: asyncio.AbstractEventLoop) -> None:
    """Streams on this loop have ended."""
    _loop_publishers.pop(loop, None)


class LoopPublisher:
    """Sends hints over a channel layer that lives in this process, on the loop of its streams.

    The in-memory layer is not thread-safe, and wakes nobody from a foreign thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._pending = Pending()
        self._sending = OnDemand(self._send_all, name="hub hints out")

    def put(self, batch: Batch) -> None:
        """Take what is to be told, in any thread."""
        with self._lock:
            is_scheduled = bool(self._pending)
            self._pending.add(batch)
        if not is_scheduled and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._sending.start)

    async def _send_all(self) -> None:
        while True:
            with self._lock:
                batch = self._pending.take()
            if not batch:
                return
            try:
                seal = await find_seal()
                batch = batch.begun()
                await send_batch(get_channel_layer(), seal, batch)
                _count(batch, "sent")
                batch.taken()
            except Exception:
                _count(batch, "dropped")
                batch.fail()
                logger.exception("Hints were not sent; streams will notice by themselves")


class ThreadPublisher:
    """Sends hints over a channel layer that other processes share, from one daemon thread with a loop of its
    own.

    After a failure it drops hints for a moment instead of waiting for each: a breaker.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changed = threading.Condition()
        self._pending = Pending()
        self._dropped_count = 0
        self._is_sending = False
        self._outage = Outage(
            logger,
            began="Hints cannot be sent; streams notice changes by themselves, seconds later",
            over="Hints are sent again; %d were dropped so far",
        )
        self._thread: threading.Thread | None = None

    @property
    def dropped_count(self) -> int:
        """Hints that were dropped so far."""
        return self._dropped_count + self._pending.dropped_hints

    def put(self, batch: Batch) -> None:
        """Take what is to be told, in any thread."""
        with self._changed:
            self._pending.add(batch)
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
                batch = self._take()
                if time.monotonic() < closed_until:
                    self._drop(batch)
                elif not self._send(runner, batch):
                    self._drop(batch)
                    closed_until = time.monotonic() + BREAKER_SECONDS

    def _take(self) -> Batch:
        with self._changed:
            self._is_sending = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._pending))
            self._is_sending = True
            return self._pending.take()

    def _drop(self, batch: Batch) -> None:
        with self._changed:
            self._dropped_count += batch.hint_count
            _count(batch, "dropped")
        batch.fail()

    def _send(self, runner: asyncio.Runner, batch: Batch) -> bool:
        try:
            seal = current_seal()  # from the database, the first time: not on the loop
            batch = runner.run(self._send_in_time(seal, batch))
        except Exception as error:  # noqa: BLE001 (a layer may raise anything)
            self._outage.failed(error)
            return False
        _count(batch, "sent")
        batch.taken()
        self._outage.recovered(self.dropped_count)
        return True

    async def _send_in_time(self, seal: Seal, batch: Batch) -> Batch:
        """What of it was sent."""
        async with asyncio.timeout(SEND_SECONDS):
            layer = get_channel_layer()
            if self._outage.is_on:
                # What this fails for has not begun, so its sender learns for certain that it was not sent.
                await send_batch(layer, seal, Batch(events=[probe()]))
            begun = batch.begun()
            await send_batch(layer, seal, begun)
            return begun


class _PublisherLoop(asyncio.SelectorEventLoop):
    """A loop that looks names up in its own thread: at the interpreter's exit, when a last hint may have to
    go out, the executor takes nothing more.
    """

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


async def send_batch(layer: Any, seal: Seal, batch: Batch) -> None:
    """Send all messages of a batch, sealed, in order."""
    for address, message in batch.messages():
        await layer.group_send(seal.group(address), seal.close(message))


def _count(batch: Batch, outcome: str) -> None:
    METRICS.hints[outcome] += batch.hint_count
    METRICS.transient_messages[outcome] += len(batch.events)


_announced = Announced()
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
