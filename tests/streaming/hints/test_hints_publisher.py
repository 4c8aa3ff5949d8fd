"""Hints: sent after the commit from any thread, never in anybody's way, dropped rather than waited for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings

from notifications import selectors, services
from notifications.inbox_log.inboxes import announce_streams_on_commit
from notifications.models import new_public_id
from notifications.services.transient.emit import send_event
from notifications.services.transient.receipts import Receipt, SendOutcome
from notifications.streaming import serving_process
from notifications.streaming.addressing import EVERYBODY
from notifications.streaming.hints import publish_queue
from notifications.streaming.hints import publisher as hints
from notifications.streaming.hints.publish_queue import Batch
from notifications.streaming.hints.seal import current_seal
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import read_events
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.machine.servers import RedisServer
from tests.helpers.processes import manage
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until


class RecordingLayer:
    """A layer that keeps what is sent, or does with it what a test says."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        self.before_send: Any = None

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.before_send is not None:
            await self.before_send()
        opened = current_seal().open(message)
        self.sent.append((group, next(value for name, value in opened.items() if name != "type")))


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingLayer]:
    made = RecordingLayer()
    monkeypatch.setattr(hints, "get_channel_layer", lambda: made)
    monkeypatch.setattr(hints, "_publisher", None)
    with override_settings(NOTIFICATION_HUB={"installation": "of-these-tests"}):
        yield made
        made.before_send = None


def group(key: str) -> str:
    return current_seal().group(key)


def flush() -> bool:
    publisher = hints._publisher
    assert publisher is not None
    return publisher.flush(PATIENCE_SECONDS)


def test_publish__goes_out_from_a_thread_of_its_own(layer: RecordingLayer) -> None:
    senders: list[str] = []

    async def note() -> None:
        senders.append(threading.current_thread().name)

    layer.before_send = note
    hints.publish({7: 42})
    assert flush()
    assert layer.sent == [(group("7"), [["7", 42]])]
    assert senders == ["hub-hints"]


def test_publish__while_one_is_being_sent__the_newest_of_each_user_goes_next(layer: RecordingLayer) -> None:
    may_send = threading.Event()

    async def wait() -> None:
        await asyncio.to_thread(may_send.wait)

    layer.before_send = wait
    hints.publish({1: 1})
    wait_until(lambda: hints._publisher is not None and not hints._publisher._queue)
    for head in (3, 5, 4):
        hints.publish({1: head, 2: head})
    may_send.set()
    assert flush()
    assert layer.sent[1:] == [(group("1"), [["1", 5]]), (group("2"), [["2", 5]])]


def test_layer_that_hangs__nobody_waits_and_hints_are_dropped_and_counted(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hints, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(hints, "BREAKER_SECONDS", 0.2)

    async def hang() -> None:
        await asyncio.sleep(60)

    layer.before_send = hang
    started = time.monotonic()
    for head in range(1_000):
        hints.publish({head: head})
    assert time.monotonic() - started < 5  # a tenth of what it were if each had waited
    assert flush()
    publisher = hints._publisher
    assert publisher is not None
    assert publisher.dropped_count == 1_000
    layer.before_send = None

    def goes_through() -> bool:
        hints.publish({1: 1})
        flush()
        return bool(layer.sent)

    wait_until(goes_through)
    assert caplog.text.count("Hints cannot be sent") == 1
    assert caplog.text.count("Hints are sent again") == 1


def test_queue__is_bounded(layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_queue, "MAX_USERS", 3)
    waiting = publish_queue.PublishQueue()
    waiting.add(Batch(heads={"1": 1, "2": 1, "3": 1, "4": 1}, looks=dict.fromkeys("1234")))
    waiting.add(Batch(heads={"2": 5, "3": 0, "5": 1}, looks=dict.fromkeys("15")))
    assert waiting.dropped_hints == 4
    assert waiting.take() == Batch(heads={"1": 1, "2": 5, "3": 1}, looks=dict.fromkeys("123"), events=[])
    assert not waiting


def test_events__redis_hangs__nobody_waits_and_they_are_dropped_and_counted(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "SEND_SECONDS", 0.05)
    before = METRICS.transient_messages["dropped"]

    async def hang() -> None:
        await asyncio.sleep(60)

    layer.before_send = hang
    started = time.monotonic()
    for number in range(500):
        services.emit(number, order_event())
    assert time.monotonic() - started < 5  # a fifth of what it were if each had waited
    assert flush()
    assert METRICS.transient_messages["dropped"] - before == 500


def test_event__with_a_receipt__is_taken_when_the_layer_has_it_and_not_before(layer: RecordingLayer) -> None:
    may_send = threading.Event()

    async def wait() -> None:
        await asyncio.to_thread(may_send.wait)

    layer.before_send = wait
    receipt = Receipt()
    emit_with(receipt)
    assert receipt.wait(0.05) is None
    may_send.set()
    assert receipt.wait(PATIENCE_SECONDS) is SendOutcome.TAKEN
    assert len(layer.sent) == 1


def test_events__layer_fails__only_those_that_had_begun_are_in_doubt(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise ConnectionError

    layer.before_send = fail
    outcomes = []
    for breaker_seconds in (0, 60, 60):  # each counts from the failure before it
        monkeypatch.setattr(hints, "BREAKER_SECONDS", breaker_seconds)
        receipt = Receipt()
        emit_with(receipt)
        outcomes.append(receipt.wait(PATIENCE_SECONDS))
    assert outcomes == [SendOutcome.IN_DOUBT, SendOutcome.NOT_SENT, SendOutcome.NOT_SENT]
    assert layer.sent == []


def test_layer__asked_whether_it_takes_anything__shows_nobody_anything(layer: RecordingLayer) -> None:
    receipt = Receipt()
    hints.publish_probe(receipt)
    assert receipt.wait(PATIENCE_SECONDS) is SendOutcome.TAKEN
    [(name, events)] = layer.sent
    assert name == current_seal().group(EVERYBODY)
    assert list(read_events({"type": "notifications.events", "events": events})) == []


@pytest.mark.parametrize("layers", [{}, {"default": {"BACKEND": "no.such.Layer"}}])
def test_event__without_a_layer__was_not_sent(layers: dict[str, Any]) -> None:
    with override_settings(CHANNEL_LAYERS=layers):
        receipt = Receipt()
        emit_with(receipt)
    assert receipt.wait(0) is SendOutcome.NOT_SENT


def emit_with(receipt: Receipt) -> None:
    send_event(
        [1], event_id=new_public_id(), event_type="imports.run.progress", topic="", data="{}", receipt=receipt
    )


def test_events__of_a_process_that_nobody_can_hear__are_said_to_be_lost_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hints, "get_channel_layer", InMemoryChannelLayer)
    monkeypatch.setattr(hints, "_loop_publishers", {})
    monkeypatch.setattr(serving_process, "is_serving", lambda: False)
    hints._warn_without_streams.cache_clear()
    for _ in range(2):
        services.emit(1, order_event())
    assert caplog.text.count("nobody sees it") == 1


def test_layer_that_cannot_even_be_made__publish_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise RuntimeError("no such backend")

    monkeypatch.setattr(hints, "get_channel_layer", fail)
    hints.publish({1: 1})
    assert "A hint was not sent" in caplog.text


@override_settings(CHANNEL_LAYERS={})
def test_no_layer__publish_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_publisher", None)
    hints.publish({1: 1})
    assert hints._publisher is None


def test_child_of_a_fork__sends_from_a_thread_of_its_own(
    layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints.publish({1: 1})
    assert flush()
    parent = hints._publisher
    monkeypatch.setattr(os, "getpid", lambda: -1)
    hints.publish({2: 2})
    assert hints._publisher is not parent
    assert flush()
    assert len(layer.sent) == 2


def test_rolled_back__no_hint__committed__one(layer: RecordingLayer, transactional_db: None) -> None:
    ada = make_user("ada")
    with transaction.atomic():
        send(ada)
        transaction.set_rollback(True)
    assert layer.sent == []
    with transaction.atomic():
        send(ada)
        send(ada)
        assert layer.sent == []
    assert flush()
    assert layer.sent == [(group(str(ada.pk)), [[str(ada.pk), 2]])]


def test_streams_changed__announced_once_it_is_committed__asks_for_a_look(
    layer: RecordingLayer, transactional_db: None
) -> None:
    with transaction.atomic():
        announce_streams_on_commit([7])
        transaction.set_rollback(True)
    assert hints._publisher is None
    with transaction.atomic():
        announce_streams_on_commit([7, 8])
        assert hints._publisher is None
    assert flush()
    announce_streams_on_commit({9})
    assert flush()
    assert layer.sent == [(group(key), [key]) for key in ("7", "8", "9")]


def test_short_lived_command__its_last_hint_goes_out_before_it_exits(
    transactional_db: None, redis_server: RedisServer
) -> None:
    ada: User = make_user("ada")
    with redis_server.client() as client, client.pubsub() as listening:
        listening.psubscribe("*")
        wait_until(lambda: listening.get_message(timeout=0.1))
        manage(
            "send_notification",
            "ada",
            "orders.order.shipped",
            "--title",
            "Hi",
            env={"REDIS_URL": redis_server.url},
        )
        message = wait_until(lambda: listening.get_message(timeout=0.1))
    assert current_seal().group(str(ada.pk)) in message["channel"].decode()
    assert b"orders.order.shipped" not in message["data"]


def test_short_lived_command__redis_hangs__ends_all_the_same(
    transactional_db: None, redis_server: RedisServer
) -> None:
    ada = make_user("ada")
    redis_server.pause()
    arguments = ("ada", "orders.order.shipped", "--title", "Hi")
    manage("send_notification", *arguments, env={"REDIS_URL": redis_server.url})
    redis_server.resume()
    assert [row.title for row in selectors.list_page(ada.pk).rows] == ["Hi"]


def test_flush__layer_hangs__gives_up_when_told(layer: RecordingLayer) -> None:
    may_send = threading.Event()

    async def hang() -> None:
        await asyncio.to_thread(may_send.wait)

    layer.before_send = hang
    hints.publish({1: 1})
    publisher = hints._publisher
    assert publisher is not None
    assert not publisher.flush(0.05)
    may_send.set()
    assert publisher.flush(PATIENCE_SECONDS)
