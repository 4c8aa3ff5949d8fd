"""Publish what producers send over HTTP: check it as a whole, then store it as sets, all of it or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from notifications.event_gate import check_sender
from notifications.event_types import UntypedEvent
from notifications.exceptions import FieldErrors, HubError, InvalidInput, OutsideLimits, TypeNotAllowed
from notifications.filters import Filters, SubjectValues
from notifications.inbox_log.content import build_event, check_schedule, text_errors
from notifications.inbox_log.sequencer import sequence_on_commit
from notifications.models import Broadcast, Event, Notification, new_public_id
from notifications.protocol.links import Action
from notifications.services.broadcast import start_broadcast
from notifications.services.recipients import Audience, Recipients, first_keys, resolve
from notifications.sql.rows import Row, insert_rows, insert_with_children

MAX_DIRECT: Final = 1_000  # recipients of one event that are notified within the request
MAX_BATCH_RECIPIENTS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Producer:
    """The sender of a request, and what they may send.

    Attributes:
        user_id: primary key of the user who sends, or for whom a token does; what they sent they may
            withdraw.
        source: username and token, to be read by people.
        limits: the types and topics that may be sent; empty for all.
    """

    user_id: Any
    source: str
    limits: Filters = field(default_factory=Filters)

    def check_may_send(self, event_type: str, topic: str, *, prefix: str = "") -> None:
        """Refuse a type or topic outside the limits, and a type that has to be named among them.

        Raises:
            TypeNotAllowed, OutsideLimits: naming the draft that ``prefix`` stands for.
        """
        try:
            check_sender(event_type, self.limits)
            self.check_within_limits(event_type, topic)
        except (TypeNotAllowed, OutsideLimits) as error:
            raise type(error)(_with_prefix(prefix, str(error))) from None

    def check_within_limits(self, event_type: str, topic: str) -> None:
        """Refuse a type or topic outside the limits.

        Raises:
            OutsideLimits: the type or topic is outside.
        """
        # No token is limited to categories or levels.
        if not self.limits.admits(SubjectValues(event_type, topic)):
            raise OutsideLimits


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An event as a producer asks for it to be sent; the fields are those of ``notify``."""

    audience: Audience
    event: UntypedEvent
    title: str
    body: str = ""
    url: str = ""
    topic: str = ""
    level: str | None = None
    actor: str = ""
    actions: Sequence[Action] = ()
    collapse_key: str = ""
    deliver_at: datetime | None = None
    expires_at: datetime | None = None


def publish(producer: Producer, draft: Draft) -> list[UUID] | Broadcast:
    """Send one event to an audience.

    Transaction, guarantee and limits of the fields as for ``notify_many``.

    Returns:
        The public ids, named users first, in their order. For more than 1,000 recipients a broadcast, queued.

    Raises:
        TypeNotAllowed, OutsideLimits: the producer may not send this type or topic.
        InvalidInput: one entry for each bad field; unknown users and groups by name.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    [event], [recipients] = _prepare(producer, [draft], [""])
    keys = first_keys(recipients, MAX_DIRECT + 1)
    if len(keys) > MAX_DIRECT:
        return start_broadcast(
            event,
            recipients,
            owner_id=producer.user_id,
            collapse_key=draft.collapse_key,
            deliver_at=draft.deliver_at,
        )
    return _store([draft], [event], [keys])[0]


def publish_batch(producer: Producer, drafts: Sequence[Draft]) -> list[list[UUID]]:
    """Send several events: all of them or, if anything is wrong, none.

    As for ``publish``; errors name the draft, such as ``items.3.title``. Each event may have 1,000
    recipients, and all of them together 10,000.

    Returns:
        The public ids for each draft.
    """
    prefixes = [f"items.{index}." for index in range(len(drafts))]
    events, recipients = _prepare(producer, drafts, prefixes)
    keys = [first_keys(item, MAX_DIRECT + 1) for item in recipients]
    errors = {
        f"{prefix}to": f"has more than {MAX_DIRECT} recipients; send it by itself"
        for prefix, draft_keys in zip(prefixes, keys, strict=True)
        if len(draft_keys) > MAX_DIRECT
    }
    if not errors and sum(map(len, keys)) > MAX_BATCH_RECIPIENTS:
        errors["items"] = f"have more than {MAX_BATCH_RECIPIENTS} recipients in all; send them in parts"
    if errors:
        raise InvalidInput(errors)
    return _store(drafts, events, keys)


def _prepare(
    producer: Producer, drafts: Sequence[Draft], prefixes: Sequence[str]
) -> tuple[list[Event], list[Recipients]]:
    """Check drafts; return their events, unsaved, and their recipients."""
    for draft, prefix in zip(drafts, prefixes, strict=True):
        producer.check_may_send(draft.event.type_name, draft.topic, prefix=prefix)
    errors = FieldErrors()
    events = []
    for draft, prefix in zip(drafts, prefixes, strict=True):
        with errors:
            events.append(_build(producer, draft, prefix))
    recipients: list[Recipients] = []
    with errors:
        recipients = resolve([draft.audience for draft in drafts], prefixes=prefixes)
    errors.check()
    return events, recipients


def _build(producer: Producer, draft: Draft, prefix: str) -> Event:
    try:
        event = build_event(
            draft.event, title=draft.title, body=draft.body, url=draft.url, topic=draft.topic,
            level=draft.level, actor=draft.actor, actions=draft.actions, expires_at=draft.expires_at,
            source=producer.source,
        )  # fmt: skip
        check_schedule(draft.deliver_at, draft.expires_at)
        if errors := text_errors({"collapse_key": draft.collapse_key}):
            raise InvalidInput(errors)
    except InvalidInput as error:
        raise InvalidInput({f"{prefix}{name}": text for name, text in error.errors.items()}) from None
    except HubError as error:
        raise type(error)(_with_prefix(prefix, str(error))) from None
    event.producer_id = producer.user_id
    return event


def _with_prefix(prefix: str, sentence: str) -> str:
    """Return a sentence that names its draft, such as ``items.3: …``, if there are several drafts."""
    return f"{prefix.removesuffix('.')}: {sentence}" if prefix else sentence


def _store(
    drafts: Sequence[Draft], events: Sequence[Event], keys: Sequence[Sequence[Any]]
) -> list[list[UUID]]:
    """Store events and their notifications, all or none; return the public ids for each event.

    An event without a recipient is not stored.
    """
    ids = [[new_public_id() for _ in draft_keys] for draft_keys in keys]
    rows = [
        [
            (user_id, public_id, draft.collapse_key, draft.deliver_at)
            for user_id, public_id in zip(draft_keys, draft_ids, strict=True)
        ]
        for draft, draft_keys, draft_ids in zip(drafts, keys, ids, strict=True)
    ]
    _insert([(event, event_rows) for event, event_rows in zip(events, rows, strict=True) if event_rows])
    now = timezone.now()
    sequence_on_commit(
        (
            user_id
            for draft, draft_keys in zip(drafts, keys, strict=True)
            if draft.deliver_at is None or draft.deliver_at <= now
            for user_id in draft_keys
        ),
        [event for event in events if event.pk],
    )
    return ids


def _insert(events: Sequence[tuple[Event, Sequence[Row]]]) -> None:
    columns = ("recipient_id", "public_id", "collapse_key", "deliver_at")
    if len(events) == 1:
        [(event, rows)] = events
        insert_with_children(event, Notification, "event_id", columns, rows)
        return
    # Without a savepoint: inside another transaction, such as that of an idempotency key, an error ends that
    # one anyhow.
    with transaction.atomic(savepoint=False):
        Event.objects.bulk_create([event for event, _ in events])
        insert_rows(
            Notification,
            (*columns, "event_id"),
            [(*row, event.pk) for event, rows in events for row in rows],
        )
