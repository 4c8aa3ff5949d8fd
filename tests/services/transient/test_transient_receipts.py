"""What becomes of an event that was sent, and who may wait for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from notifications.services.transient.receipts import BoundedWaits, Receipt, SendOutcome
from notifications.streaming.hints import publish_queue
from notifications.streaming.hints.publish_queue import Batch, PublishQueue
from notifications.streaming.transient import TransientEvent, event_items
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.shape("embedded")


def items(receipt: Receipt | None = None, users: int = 1) -> Batch:
    event = TransientEvent.emitted(b"frame", "imports.file.progress", "")
    heads: dict[str, int | None] = dict.fromkeys(map(str, range(users)))
    return Batch(events=list(event_items(event, heads, receipt)))


def test_event__of_several_parts__is_taken_with_the_last() -> None:
    receipt, waiting = Receipt(), PublishQueue()
    waiting.add(items(receipt, users=3))
    batch = waiting.take().begin_sending()
    for event in batch.events[:2]:
        Batch(events=[event]).mark_taken()
    assert receipt.wait(0) is None
    Batch(events=batch.events[2:]).mark_taken()
    assert receipt.wait(0) is SendOutcome.TAKEN


def test_event__that_is_not_waited_for_any_more__never_goes_out_if_it_has_not_begun() -> None:
    given_up, other, waiting = Receipt(), Receipt(), PublishQueue()
    for batch in (items(given_up, users=2), items(other), items()):
        waiting.add(batch)
    given_up.give_up()
    assert given_up.wait(0) is SendOutcome.NOT_SENT
    assert [event.receipt for event in waiting.take().begin_sending().events] == [other, None]


def test_event__lost_on_its_way__is_in_doubt_and_before_it_began_it_was_not_sent() -> None:
    begun, dropped, waiting = Receipt(), Receipt(), PublishQueue()
    waiting.add(items(begun))
    waiting.take().begin_sending().mark_lost()
    waiting.add(items(dropped))
    waiting.take().mark_lost()
    assert (begun.wait(0), dropped.wait(0)) == (SendOutcome.IN_DOUBT, SendOutcome.NOT_SENT)
    begun.part_taken()
    assert begun.wait(0) is SendOutcome.IN_DOUBT  # what was said stands


def test_event__of_which_a_part_finds_no_room__goes_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_queue, "MAX_EVENTS", 2)
    receipt, waiting = Receipt(), PublishQueue()
    waiting.add(items(receipt, users=3))
    assert receipt.wait(0) is SendOutcome.NOT_SENT
    assert list(waiting.take().begin_sending().events) == []


def test_waits__of_many_threads__is_had_by_a_few_and_the_others_go_on() -> None:
    waits, there = BoundedWaits(quick_seconds=0.01, max_waiting=2), threading.Event()

    def wait() -> bool:
        return waits.wait(there.wait, PATIENCE_SECONDS)

    with ThreadPoolExecutor(5) as pool:
        results = [pool.submit(wait) for _ in range(5)]
        wait_until(lambda: sum(result.done() for result in results) == 3)
        assert waits.is_exhausted()
        there.set()
        assert sorted(result.result(PATIENCE_SECONDS) for result in results) == [False] * 3 + [True] * 2
    assert not waits.is_exhausted()


def test_waits__with_what_is_there_at_once__needs_no_place() -> None:
    waits = BoundedWaits(quick_seconds=0.01, max_waiting=1)
    asked: list[float] = []

    def until(is_there: bool) -> Callable[[float], bool]:
        def ask(seconds: float) -> bool:
            asked.append(seconds)
            return is_there

        return ask

    assert waits.wait(until(True), 5)
    assert not waits.wait(until(False), 5)
    assert asked == [0.01, 0.01, 4.99]
