"""Sends hints and transient events to the other processes: best effort, without blocking the caller.

A lost hint costs the reconciliation interval and never a notification. So hints are put into a bounded queue
that keeps one position for each user (``publish_queue``), a channel layer that hangs blocks only the
publisher's own thread, and what cannot be sent is dropped and counted. A lost transient event is lost for
good. Events are sent after the hints that are queued with them.
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
from notifications.streaming.hints.announced_heads import AnnouncedHeads
from notifications.streaming.hints.publish_queue import Batch, PublishQueue
from notifications.streaming.hints.seal import Seal, current_seal, find_seal
from notifications.streaming.metrics import METRICS
from notifications.streaming.tasks import OnDemandTask
from notifications.streaming.transient import OutgoingEvent, TransientEvent, event_items, probe
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

# A stream is hardly ever behind for longer than one interval, because reconciliation repairs it.
ANNOUNCED_INTERVALS: Final = 3
SEND_SECONDS: Final = 2.0
BREAKER_SECONDS: Final = 2.0
EXIT_SECONDS: Final = 1.0


def publish(heads: Mapping[Any, int]) -> None:
    """Send hints at the new heads of some users' inboxes.

    Safe in any thread; it never blocks and never raises. Guarantee: none.

    Args:
        heads: from the primary key of each user to the inbox's new, committed head.
    """
    by_key = {user_key(user_id): head for user_id, head in heads.items()}
    _announced.add(by_key, now=time.monotonic(), span_seconds=_span_seconds())
    _publish(Batch(heads=by_key))


def publish_looks(user_ids: Iterable[Any]) -> None:
    """Ask every process to examine the streams of some users.

    Safe in any thread; it never blocks and never raises. Guarantee: none.

    Args:
        user_ids: primary keys of users for whose streams something other than the log has changed. The change
            must be committed.
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
    """Send a transient event to the streams of some users.

    Safe in any thread; it never blocks and never raises. Guarantee: it may be lost, but on no stream does it
    come before a change or another event that this process announced earlier. Whatever any process sends
    after the channel layer has taken it comes after it.

    Args:
        user_ids: primary keys of the users.
        event_id, event_type, topic, at: fields of its frame.
        data: the event's data, one line of ASCII JSON.
        receipt: told what becomes of it.
    """
    frame = frames.transient(
        event_id=str(event_id), event_type=event_type, topic=topic, at=timestamp(at), data=data
    )
    event = TransientEvent.emitted(frame, event_type, topic)
    keys = map(user_key, user_ids)
    heads = _announced.get(keys, now=time.monotonic(), span_seconds=_span_seconds())
    _publish_events(event_items(event, heads, receipt), receipt)


def publish_probe(receipt: Receipt) -> None:
    """Send a message that no user is shown, to find out whether the channel layer takes anything.

    Safe in any thread; it never blocks and never raises.
    """
    _publish_events([probe(receipt)], receipt)


def publish_shows(shows: Iterable[tuple[Any, int]]) -> None:
    """Ask every process to show notifications again on the open streams of their recipients.

    Safe in any thread; it never blocks and never raises. Guarantee: none.

    Args:
        shows: the primary key of each recipient with that of the notification.
    """
    _publish(Batch(shows=dict.fromkeys((user_key(user_id), key) for user_id, key in shows)))


def _span_seconds() -> float:
    return ANNOUNCED_INTERVALS * hub_config().reconcile_seconds


def _publish_events(events: Iterable[OutgoingEvent], receipt: Receipt | None) -> None:
    if receipt is None:
        _publish(Batch(events=list(events)))
        return
    receipt.add_part()  # so that it has no outcome before every publisher has its parts
    _publish(Batch(events=list(events)))
    receipt.part_taken()


def _publish(batch: Batch) -> None:
    try:
        layer = get_channel_layer()
        if layer is None:
            METRICS.transient_messages["dropped"] += len(batch.events)
            batch.mark_lost()
            return
        if isinstance(layer, InMemoryChannelLayer):
            if batch.events and not _loop_publishers and not serving_process.is_serving():
                _warn_without_streams()
            for publisher in tuple(_loop_publishers.values()):
                publisher.put(batch)
        else:
            _thread_publisher().put(batch)
    except Exception:
        batch.mark_lost()
        logger.exception("A hint was not sent; streams will notice by themselves")


@cache
def _warn_without_streams() -> None:
    """Warn once. Other processes notice notifications through the database, but no transient events."""
    logger.warning(
        "A transient event was emitted in a process that serves no streams, without a channel layer that "
        "others share: nobody sees it. "
        "Set REDIS_URL, or emit it in the serving process."
    )


def start_in(loop: asyncio.AbstractEventLoop) -> None:
    """Publish to the streams of this loop from now on, if the channel layer is the in-memory one."""
    for known in tuple(_loop_publishers):
        if known.is_closed():
            del _loop_publishers[known]
    _loop_publishers[loop] = LoopPublisher(loop)


def stop_in(loop: asyncio.AbstractEventLoop) -> None:
    """Stop publishing to this loop, because its streams have ended."""
    _loop_publishers.pop(loop, None)


class LoopPublisher:
    """Sends over the in-memory channel layer, on the event loop of the streams.

    That layer is not thread-safe, and a receiver does not wake when another thread sends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._queue = PublishQueue()
        self._sending = OnDemandTask(self._send_all, name="hub hints out")

    def put(self, batch: Batch) -> None:
        """Queue a batch. Safe in any thread."""
        with self._lock:
            is_scheduled = bool(self._queue)
            self._queue.add(batch)
        if not is_scheduled and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._sending.start)

    async def _send_all(self) -> None:
        while True:
            with self._lock:
                batch = self._queue.take()
            if not batch:
                return
            try:
                seal = await find_seal()
                batch = batch.begin_sending()
                await send_batch(get_channel_layer(), seal, batch)
                _count(batch, "sent")
                batch.mark_taken()
            except Exception:
                _count(batch, "dropped")
                batch.mark_lost()
                logger.exception("Hints were not sent; streams will notice by themselves")


class ThreadPublisher:
    """Sends over a channel layer that processes share, from one daemon thread with an event loop of its own.

    After a failure it drops what is queued for ``BREAKER_SECONDS`` instead of trying each: a circuit breaker.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._changed = threading.Condition()
        self._queue = PublishQueue()
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
        """The number of hints that were dropped so far."""
        return self._dropped_count + self._queue.dropped_hints

    def put(self, batch: Batch) -> None:
        """Queue a batch. Safe in any thread."""
        with self._changed:
            self._queue.add(batch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hub-hints", daemon=True)
                self._thread.start()
                atexit.register(self.flush, EXIT_SECONDS)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until what is queued was sent or dropped, ``seconds`` at most; return whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._is_sending, seconds)

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
            self._changed.wait_for(lambda: bool(self._queue))
            self._is_sending = True
            return self._queue.take()

    def _drop(self, batch: Batch) -> None:
        with self._changed:
            self._dropped_count += batch.hint_count
            _count(batch, "dropped")
        batch.mark_lost()

    def _send(self, runner: asyncio.Runner, batch: Batch) -> bool:
        try:
            seal = current_seal()  # the first call asks the database, so it is not made on the loop
            batch = runner.run(self._send_in_time(seal, batch))
        except Exception as error:  # noqa: BLE001 (a layer may raise anything)
            self._outage.failed(error)
            return False
        _count(batch, "sent")
        batch.mark_taken()
        self._outage.recovered(self.dropped_count)
        return True

    async def _send_in_time(self, seal: Seal, batch: Batch) -> Batch:
        """Send a batch within ``SEND_SECONDS``; return what of it was sent."""
        async with asyncio.timeout(SEND_SECONDS):
            layer = get_channel_layer()
            if self._outage.is_on:
                # If this fails, no event has begun, so its sender learns for certain that it was not sent.
                await send_batch(layer, seal, Batch(events=[probe()]))
            begun = batch.begin_sending()
            await send_batch(layer, seal, begun)
            return begun


class _PublisherLoop(asyncio.SelectorEventLoop):
    """An event loop that resolves host names in its own thread.

    When the interpreter exits, a last hint may have to be sent, and the executor takes nothing more.
    """

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


async def send_batch(layer: Any, seal: Seal, batch: Batch) -> None:
    """Seal and send all messages of a batch, in order."""
    for address, message in batch.messages():
        await layer.group_send(seal.group(address), seal.seal(message))


def _count(batch: Batch, outcome: str) -> None:
    METRICS.hints[outcome] += batch.hint_count
    METRICS.transient_messages[outcome] += len(batch.events)


_announced = AnnouncedHeads()
_loop_publishers: dict[asyncio.AbstractEventLoop, LoopPublisher] = {}
_publisher: ThreadPublisher | None = None
_publisher_lock = threading.Lock()


def _thread_publisher() -> ThreadPublisher:
    """Return this process's publisher. A child of fork() inherits the object but not its thread."""
    global _publisher
    with _publisher_lock:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = ThreadPublisher()
        return _publisher
