"""Publish the transient events that producers send over HTTP.

An event is acknowledged once the channel layer has taken it, and sent once for each idempotency key. The
events of a producer that waits for one answer before it sends the next request keep that order, whatever
worker took them: what the layer takes later comes later on every stream.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection
from django.utils import timezone

from notifications.event_types import UntypedEvent
from notifications.exceptions import (
    EventInDoubt,
    EventNotSent,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidInput,
)
from notifications.inbox_log.content import check_transient
from notifications.models import EventKey, EventKeyState, Inbox, new_public_id
from notifications.services.idempotency import IdempotentRequest, fingerprint_of
from notifications.services.publish import MAX_DIRECT, Producer
from notifications.services.recipients import Audience, first_keys, resolve
from notifications.services.transient.emit import send_event
from notifications.services.transient.receipts import BoundedWaits, Receipt, SendOutcome
from notifications.signals import channel_layer_probed

MAX_REMOVED: Final = 5_000  # in one sweep
LAYER_SECONDS: Final = 0.9  # the protocol gives a request one second in all
SENDING_SECONDS: Final = 5.0  # after which the request that was sending is taken for dead
POLL_SECONDS: Final = 0.05

# A request waits in one of the forty threads that all requests share. A layer that hangs may hold up half of
# them for a second.
_waits = BoundedWaits(quick_seconds=0.25, max_waiting=20)


@dataclass(frozen=True, kw_only=True, slots=True)
class TransientDraft:
    """A transient event that a producer wants shown; the fields are those of ``emit``."""

    audience: Audience
    event: UntypedEvent
    topic: str = ""


class AcknowledgedEvent(NamedTuple):
    """A transient event that was sent.

    Attributes:
        event_id: the id by which readers know it.
        recipient_count: how many recipients it has, whether they have a stream open or not.
        is_replayed: it was sent by an earlier request with the same key.
    """

    event_id: UUID
    recipient_count: int
    is_replayed: bool = False


class _CheckedEvent(NamedTuple):
    """A transient event that was checked, with the keys of its recipients and its data as JSON."""

    user_ids: list[Any]
    transient: TransientDraft
    data: str


def publish_transient(
    producer: Producer, transient: TransientDraft, request: IdempotentRequest | None = None
) -> AcknowledgedEvent:
    """Show a transient event to an audience of 1,000 at most, and wait until the channel layer has taken it.

    Transaction: none; must not be called inside one, or a crash may send it twice. Guarantee: once it
    returns, the channel layer has taken the event, and whatever is sent later, by whatever process, comes
    later on every stream. Nothing more: whoever is not connected never sees it. With a key it is sent at most
    once within five minutes, whatever was killed in between. Waits for a second at most. Costs three
    statements more with a key; an event that was sent before costs one in all.

    Args:
        request: the idempotency key and what it goes with; None without one.

    Raises:
        TypeNotAllowed, OutsideLimits: the producer may not send this type or topic.
        InvalidInput: one entry for each bad field; unknown users and groups by name.
        TransientEventTooLarge: over 16 KiB.
        UnknownEventType: the registry is strict and does not know the type.
        IdempotencyKeyReused: the key came with another body.
        IdempotencyInProgress: the same request is being worked on, and too much else waits already.
        EventNotSent: the layer does not take it; the key is free again.
        EventInDoubt: it may have been sent; the same request, sent again, does not send it a second time.
    """
    producer.check_may_send(transient.event.type_name, transient.topic)
    if request is None:
        event = _check(transient)
        return _send(event, new_public_id())
    fingerprint = fingerprint_of(request.body)
    while True:
        if (earlier := _find_settled(request, fingerprint)) is not None:
            return _acknowledge_again(earlier)
        event = _check(transient)
        if (row := _insert_key(request, fingerprint, len(event.user_ids))) is not None:
            return _send_once(event, row)


def remove_event_keys(cutoff: datetime) -> int:
    """Remove the keys of transient events that came before a time, 5,000 at most; return the number.

    Two statements at most.
    """
    old = EventKey.objects.filter(created_at__lt=cutoff).order_by("created_at", "pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return EventKey.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _check(transient: TransientDraft) -> _CheckedEvent:
    data = check_transient(transient.event, transient.topic)
    [recipients] = resolve([transient.audience])
    user_ids = first_keys(recipients, MAX_DIRECT + 1)
    if len(user_ids) > MAX_DIRECT:
        raise InvalidInput({"to": f"has more than {MAX_DIRECT} recipients; a transient event is for few"})
    return _CheckedEvent(user_ids, transient, data)


def _send(event: _CheckedEvent, event_id: UUID) -> AcknowledgedEvent:
    if event.user_ids:
        if _waits.is_exhausted():
            raise EventNotSent
        receipt = Receipt()
        send_event(
            event.user_ids,
            event_id=event_id,
            event_type=event.transient.event.type_name,
            topic=event.transient.topic,
            data=event.data,
            receipt=receipt,
        )
        _wait_for(receipt)
    return AcknowledgedEvent(event_id, len(event.user_ids))


def _send_once(event: _CheckedEvent, row: EventKey) -> AcknowledgedEvent:
    """Send an event whose key belongs to this request.

    If the process dies in between, it leaves a row that lets nobody send the event again.
    """
    rows = EventKey.objects.filter(pk=row.pk)
    try:
        acknowledged = _send(event, row.event_id)
    except EventNotSent:
        rows.delete()
        raise
    except EventInDoubt:
        rows.update(state=EventKeyState.IN_DOUBT)
        raise
    rows.update(state=EventKeyState.TAKEN)
    return acknowledged


def _acknowledge_again(row: EventKey) -> AcknowledgedEvent:
    """Acknowledge an event that was sent by an earlier request, or may have been, without sending it.

    Nobody can tell whether an event in doubt was sent. It can no longer go out once the layer has taken
    something that comes after it; so this waits until the layer takes a probe.
    """
    if row.state != EventKeyState.TAKEN:
        receipt = Receipt()
        channel_layer_probed.send_robust(sender=Inbox, receipt=receipt)
        try:
            _wait_for(receipt)
        except EventNotSent:  # this is about the probe, not about the event
            raise EventInDoubt from None
        EventKey.objects.filter(pk=row.pk).update(state=EventKeyState.TAKEN)
    return AcknowledgedEvent(row.event_id, row.recipient_count, is_replayed=True)


def _wait_for(receipt: Receipt) -> None:
    """Wait until the layer has taken an event, without holding a connection to the database.

    There are fewer connections than threads.
    """
    connection.close_if_unusable_or_obsolete()
    _waits.wait(lambda seconds: receipt.wait(seconds) is not None, LAYER_SECONDS)
    receipt.give_up()  # without effect if there is an outcome
    outcome = receipt.wait(0)
    if outcome is SendOutcome.NOT_SENT:
        raise EventNotSent
    if outcome is SendOutcome.IN_DOUBT:
        raise EventInDoubt


def _find_settled(request: IdempotentRequest, fingerprint: str) -> EventKey | None:
    """Return the row of a key, or None if the key is new.

    If another request is sending with the key, this waits for its outcome, or until that request is taken
    for dead.
    """
    rows: list[EventKey] = []

    def is_settled(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            rows[:] = EventKey.objects.filter(producer_id=request.producer_id, key=request.key)
            if not rows or rows[0].fingerprint != fingerprint or not _is_sending(rows[0]):
                return True
            if time.monotonic() >= deadline:
                return False
            connection.close_if_unusable_or_obsolete()
            time.sleep(POLL_SECONDS)

    if not _waits.wait(is_settled, SENDING_SECONDS):
        raise IdempotencyInProgress
    if rows and rows[0].fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return rows[0] if rows else None


def _is_sending(row: EventKey) -> bool:
    age = timezone.now() - row.created_at
    return row.state == EventKeyState.SENDING and age < timedelta(seconds=SENDING_SECONDS)


def _insert_key(request: IdempotentRequest, fingerprint: str, recipient_count: int) -> EventKey | None:
    """Insert the row of a key for this request; return None if another request was faster."""
    row = EventKey(
        producer_id=request.producer_id,
        key=request.key,
        fingerprint=fingerprint,
        event_id=new_public_id(),
        recipient_count=recipient_count,
        created_at=timezone.now(),
    )
    try:
        row.save(force_insert=True)
    except IntegrityError:
        return None
    return row
