"""For tests of your own code: finds what it sent, inside of a ``TestCase``, where nothing ever commits.

::

    with capture_notifications() as sent:
        ship(order)
    assert [(item.recipient, item.type) for item in sent] == [(order.buyer, "orders.order.shipped")]

With pytest, ``pytest_plugins = ["notifications.testing.pytest_plugin"]`` brings the same as a fixture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.test import TestCase

from notifications.models import Notification
from notifications.protocol.links import Action, stored_actions
from notifications.signals import event_emitted


@dataclass(frozen=True, kw_only=True)
class SentNotification:
    """One notification that the captured code sent.

    Attributes:
        id: its public id.
        recipient: the user.
        type, topic, level, title, body, url, actor: as given.
        actions: each with a label, a url and a method.
        data: as its recipient's client reads it.
        deliver_at: when it is due, if it is scheduled.
        position: its place in the recipient's log; None while it is scheduled.
    """

    id: UUID
    recipient: Any
    type: str
    topic: str
    level: str
    title: str
    body: str
    url: str
    actor: str
    actions: list[Action]
    data: dict[str, Any]
    deliver_at: datetime | None
    position: int | None


@contextmanager
def capture_notifications() -> Iterator[list[SentNotification]]:
    """Collect what is sent inside the block; the list is filled when the block ends.

    Inside a test's transaction, the commit hooks that the block registered (those of other apps too) are run
    at its end, as they would be in production: notifications are sequenced and announced, and lists and
    counts show them. Notifications that the block rolled back are not in the list. A block that raises
    collects nothing.

    Yields:
        The notifications in the order in which they were sent.
    """
    sent: list[SentNotification] = []
    last = Notification.objects.aggregate(last=Max("pk"))["last"] or 0
    with TestCase.captureOnCommitCallbacks(execute=True):
        yield sent
    rows = Notification.objects.filter(pk__gt=last).select_related("event", "recipient").order_by("pk")
    sent.extend(map(_sent, rows))


@dataclass(frozen=True, kw_only=True)
class EmittedEvent:
    """One transient event that the captured code emitted.

    Attributes:
        user_ids: primary keys of the users whose streams show it.
        type, topic: as given.
        data: as page code reads it.
    """

    user_ids: list[Any]
    type: str
    topic: str
    data: dict[str, Any]


@contextmanager
def capture_events() -> Iterator[list[EmittedEvent]]:
    """Collect the transient events that are emitted inside the block, each at once.

    Yields:
        The events in the order in which they were emitted.
    """
    emitted: list[EmittedEvent] = []

    def note(*, user_ids: list[Any], event_type: str, topic: str, data: str, **kwargs: Any) -> None:
        emitted.append(EmittedEvent(user_ids=user_ids, type=event_type, topic=topic, data=json.loads(data)))

    event_emitted.connect(note)
    try:
        yield emitted
    finally:
        event_emitted.disconnect(note)


def _sent(row: Notification) -> SentNotification:
    event = row.event
    return SentNotification(
        id=row.public_id,
        recipient=row.recipient,
        type=event.type,
        topic=event.topic,
        level=event.level,
        title=event.title,
        body=event.body,
        url=event.url,
        actor=event.actor,
        actions=stored_actions(event.actions),
        data=json.loads(event.data),
        deliver_at=row.deliver_at,
        position=row.position,
    )
