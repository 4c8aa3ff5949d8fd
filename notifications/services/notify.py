"""The producer's verbs, one event to one user or to many, and the options that they and ``broadcast`` take.

The options stand here once. A type checker holds every call to them, and so it does your own function that
takes ``**options: Unpack[NotifyOptions]`` and passes them on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from notifications.event_types import EventType, UntypedEvent
from notifications.exceptions import InvalidInput
from notifications.inbox_log.content import build_event, check_schedule, text_errors
from notifications.inbox_log.sequencer import sequence_on_commit
from notifications.models import Event, Inbox, Notification, new_public_id
from notifications.protocol.links import Action
from notifications.selectors.users import check_users_exist
from notifications.sql.rows import Row, insert_row, insert_with_children


class ContentOptions(TypedDict, total=False):
    """The options that say what the event is; each recipient sees the same.

    Attributes:
        body: up to 10,000 characters of plain text; lazy translations are read in the active language.
        url: a path on this site or an http(s) address.
        topic: what it concerns, such as ``order:7``; no comma, up to 100 characters.
        level: overrides the event type's own.
        actor: who did it: a user, or text.
        actions: what it offers to do, at most two.
        expires_at: deleted (reason ``expired``) within seconds after this time.
        source: who sent it, for the staff's timeline.
    """

    body: Any
    url: str
    topic: str
    level: str | None
    actor: Any
    actions: Sequence[Action]
    expires_at: datetime | None
    source: str


class SendOptions(ContentOptions, total=False):
    """The options of ``ContentOptions``, and those that say how the event is sent.

    Attributes:
        collapse_key: a listed notification of the same recipient, type, topic and key is deleted (reason
            ``replaced``) in the transaction that lists this one; up to 200 characters.
        deliver_at: listed at this time and not before; staged until then.
    """

    collapse_key: str
    deliver_at: datetime | None


class NotifyOptions(SendOptions, total=False):
    """All options of ``notify`` and ``notify_many``.

    Attributes:
        replay_of: the id of the notification that this one delivers again.
    """

    replay_of: UUID | None


def notify(
    recipient: Any,
    event: EventType | UntypedEvent,
    *,
    title: Any,
    **options: Unpack[NotifyOptions],
) -> UUID:
    """Notify one user.

    Transaction: the notification is part of the caller's transaction and takes no lock; if that is rolled
    back, it never happened. Right after the commit it is given its position and pushed. Guarantee: once
    committed it is never lost; if the process dies right then, any serving process sequences it within
    ``sweep_seconds``.

    Args:
        recipient: a saved user, or its primary key.
        event: what happened.
        title: up to 200 characters of plain text; lazy translations are read in the active language.
        options: ``body``, ``url``, ``topic``, ``level``, ``actor``, ``actions``, ``collapse_key``,
            ``deliver_at``, ``expires_at`` and more, as ``NotifyOptions`` says.

    Returns:
        The notification's public id.

    Raises:
        InvalidInput: one entry for each bad field; ``recipient`` for a user who does not exist, or does not
            any more.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    return notify_many([recipient], event, title=title, **options)[0]


def notify_many(
    recipients: Iterable[Any],
    event: EventType | UntypedEvent,
    *,
    title: Any,
    collapse_key: str = "",
    deliver_at: datetime | None = None,
    replay_of: UUID | None = None,
    **content: Unpack[ContentOptions],
) -> list[UUID]:
    """Notify many users of one event: all of them or, if anything is wrong, none.

    Transaction, guarantee, arguments and errors as for ``notify``. The event is stored once. Each recipient
    gets one notification, also when given twice.

    Returns:
        The public ids, in the order in which the recipients first came.
    """
    row = build_event(event, title=title, **content)
    check_schedule(deliver_at, row.expires_at)
    if errors := text_errors({"collapse_key": collapse_key}):
        raise InvalidInput(errors)
    public_ids = {recipient_key(recipient): new_public_id() for recipient in recipients}
    rows = [
        (user_id, public_id, collapse_key, deliver_at, replay_of) for user_id, public_id in public_ids.items()
    ]
    try:
        with _savepoint():
            _insert(row, rows)
            if deliver_at is None or deliver_at <= timezone.now():
                sequence_on_commit(public_ids, [row])
    except (
        IntegrityError
    ):  # outside of a transaction, where the database looks at once whether a recipient exists
        check_users_exist(public_ids, field="recipient")
        raise
    return list(public_ids.values())


def _savepoint() -> AbstractContextManager[object]:
    """Return a savepoint inside a transaction, so that after an error the caller's transaction can go on.

    Outside of one, what is stored by one statement needs no transaction around it.
    """
    return nullcontext() if transaction.get_autocommit() else transaction.atomic()


def _insert(event: Event, rows: Sequence[Row]) -> None:
    columns = ("recipient_id", "public_id", "collapse_key", "deliver_at", "replay_of")
    if not rows:
        insert_row(event)
        return
    # Inside a transaction the database checks only at its end whether a recipient exists, and the caller
    # would get the error from there.
    owner = "" if transaction.get_autocommit() else "recipient_id"
    if insert_with_children(event, Notification, "event_id", columns, rows, owner=owner) < len(rows):
        check_users_exist([row[0] for row in rows], field="recipient")


def recipient_key(recipient: Any) -> Any:
    """Return the primary key of a user, given as an object or by the key, also as text (``"7"``).

    Raises:
        InvalidInput: it is anonymous, not saved, or can be no key.
    """
    key = getattr(recipient, "pk", None) if hasattr(recipient, "get_username") else recipient
    if key is None:
        raise InvalidInput({"recipient": "must be a saved user"})
    try:
        return Inbox._meta.pk.to_python(key)
    except ValidationError:
        raise InvalidInput({"recipient": f"must be a saved user or its primary key, not {key!r}"}) from None
