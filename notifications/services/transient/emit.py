"""Send transient events, which go to the streams that are open now and are stored nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from notifications.event_types import EventType, UntypedEvent
from notifications.inbox_log.content import check_transient
from notifications.models import Inbox, new_public_id
from notifications.services.notify import recipient_key
from notifications.services.transient.receipts import Receipt
from notifications.signals import event_emitted


def emit(users: Any, event: EventType | UntypedEvent, *, topic: str = "") -> None:
    """Show an event on the open streams of one user or of many, and nowhere else.

    It is for progress, presence, "is typing".

    Transaction: none. It goes out at once, also inside a transaction and also when that is rolled back later.
    Guarantee: none. Whoever is not connected never sees it, and under load or without Redis it is dropped. It
    asks the database nothing, never waits for Redis, and on every stream comes after each notification that
    this process announced before it. The events of one process keep their order. Nothing is promised between
    processes, because nobody waits until Redis has taken one; ``POST /events`` waits, and keeps its order
    over all workers.

    Args:
        users: a saved user, a primary key, or an iterable of either.
        event: what happens; its level means nothing here. Its data may take up to 16 KiB of JSON.
        topic: what it concerns, for the filters of streams; no comma, up to 100 characters.

    Raises:
        InvalidInput: one entry for each bad field.
        TransientEventTooLarge: over 16 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    data = check_transient(event, topic)
    is_one = isinstance(users, str) or not isinstance(users, Iterable)
    user_ids = list(dict.fromkeys(map(recipient_key, [users] if is_one else users)))
    if user_ids:
        send_event(user_ids, event_id=new_public_id(), event_type=event.type_name, topic=topic, data=data)


def send_event(
    user_ids: Sequence[Any],
    *,
    event_id: UUID,
    event_type: str,
    topic: str,
    data: str,
    receipt: Receipt | None = None,
) -> None:
    """Pass on a transient event that was checked; transaction and guarantee as for ``emit``.

    Args:
        user_ids: primary keys of the users, each once.
        event_id: the id by which readers know it.
        event_type, topic: what it is about.
        data: as ``check_transient`` returns it.
        receipt: told what becomes of it.
    """
    event_emitted.send_robust(
        sender=Inbox,
        user_ids=user_ids,
        event_id=event_id,
        event_type=event_type,
        topic=topic,
        at=timezone.now(),
        data=data,
        receipt=receipt,
    )
