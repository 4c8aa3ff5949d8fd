"""Which clients were given a notification.

That is told from the records of streams and answered polls, and nothing is told that they do not show.

*Written*: the record covers the notification's position, and its filters admit it. *Confirmed*: the same
client came back later with a cursor at or after that position, which it can only have from what was written
to it, or after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from notifications import selectors
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.models import ApiToken, EndReason, Inbox, Notification, StreamSession
from notifications.selectors.staff.counts import first_rows

MAX_RECORDS: Final = 200  # of one kind that are read; the oldest, which tell who was first
MAX_SHOWN: Final = 20
_RETURNS: Final = ("exact", "compacted")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One client that was given it, at the first time.

    Attributes:
        record: the stream or the answered poll.
        token_name: of the client's token; empty where it had none, or where that is gone.
        written_at: the earliest at which it can have been written; the record shows that it was.
        confirmed_at: when the client came back having had it; None when it has not yet.
        is_open: the stream is still open, so it has had no reason to come back.
        other: another stream that the same client, or one that looks like it, has open; it may well have been
            written there.
    """

    record: StreamSession
    token_name: str
    written_at: datetime
    confirmed_at: datetime | None
    is_open: bool
    other: StreamSession | None = None


@dataclass(frozen=True, kw_only=True)
class Deliveries:
    """The clients that were given it, in order.

    Attributes:
        shown: the first of each client.
        left_out: how many records more say the same; None for more than can be counted here.
    """

    shown: Sequence[Delivery] = ()
    left_out: int | None = 0


def deliveries_of(notification: Notification, inbox: Inbox | None) -> Deliveries:
    """Find who was given a notification. Four queries at most.

    Args:
        notification: with its event.
        inbox: its recipient's; None when nothing has touched it yet.
    """
    if inbox is None or notification.position is None or notification.created_at is None:
        return Deliveries()
    records = StreamSession.objects.filter(user_id=notification.recipient_id, epoch=inbox.epoch).order_by(
        "id"
    )
    covering = records.filter(start_position__lt=notification.position, position__gte=notification.position)
    read, has_more = first_rows(covering, MAX_RECORDS)
    written = [one for one in read if _has(one, notification)]
    if not written:
        return Deliveries()
    returning = records.filter(start_position__gte=notification.position, resume__in=_RETURNS)
    returns = list(returning.filter(pk__gt=written[0].pk)[:MAX_RECORDS])
    tokens, open_now = _tokens(written), selectors.open_streams(notification.recipient_id)
    shown: list[Delivery] = []
    for one in written:
        if any(_is_same(one, earlier.record) for earlier in shown):
            continue
        came_back = next((later for later in returns if later.pk > one.pk and _is_same(one, later)), None)
        shown.append(_delivery(one, notification.created_at, came_back, tokens, open_now))
    known = len(written) - len(shown[:MAX_SHOWN])
    return Deliveries(shown=shown[:MAX_SHOWN], left_out=None if has_more else known)


def _delivery(
    record: StreamSession,
    created_at: datetime,
    came_back: StreamSession | None,
    tokens: dict[Any, str],
    open_now: Sequence[StreamSession],
) -> Delivery:
    return Delivery(
        record=record,
        token_name=tokens.get(record.token_id, ""),
        written_at=max(record.opened_at, created_at),
        confirmed_at=came_back.opened_at if came_back else None,
        is_open=record in open_now,
        other=next((one for one in open_now if one != record and _looks_same(one, record)), None),
    )


def _has(record: StreamSession, notification: Notification) -> bool:
    """Check whether what the record covers had the notification in it."""
    event = notification.event
    if not _filters_of(record).admits(event):
        return False
    # A list, and a compacted backlog, leave out what has been deleted before.
    leaves_out = record.reason == EndReason.LISTED or record.resume == "compacted"
    deleted_at = notification.deleted_at
    return not (leaves_out and deleted_at is not None and deleted_at <= record.opened_at)


def _filters_of(record: StreamSession) -> Filters:
    try:
        return Filters.from_text(record.filters)
    except InvalidInput:  # written by a version with other filters: rather claim nothing
        return Filters(types=frozenset(("",)))


def _is_same(one: StreamSession, other: StreamSession) -> bool:
    """Check whether two records are of the same client.

    They are by the name it gave itself, or else by all that is known of it.
    """
    if one.client is not None and other.client is not None:
        return one.client == other.client
    return _looks_same(one, other)


def _looks_same(one: StreamSession, other: StreamSession) -> bool:
    """Check whether two records may be of one device.

    Two tabs of a browser are, and a page that was loaded again.
    """
    return (one.agent, one.address, one.token_id) == (other.agent, other.address, other.token_id)


def _tokens(records: Iterable[StreamSession]) -> dict[Any, str]:
    keys = {record.token_id for record in records if record.token_id is not None}
    return dict(ApiToken.objects.filter(pk__in=keys).values_list("pk", "name")) if keys else {}
