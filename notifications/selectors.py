"""Every read that the hub serves. Readers use autocommit, take no lock and look at no clock (but the database's, for who is alive).

A list is one statement, so that its rows and its cursor are one snapshot (I11). Elsewhere the inbox is read first and its
rows second, up to the head that was seen: what came in between is then read next time, and never missed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.db.models import Count, Exists, FilteredRelation, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from notifications.conf import hub_config
from notifications.cursors import Cursor
from notifications.exceptions import CursorExpired, NotFound
from notifications.filters import NO_FILTERS, Filters
from notifications.models import ApiToken, Broadcast, Change, Inbox, Notification, StreamSession, Worker
from notifications.models.search import has_words
from notifications.payloads import ChangeRow, NotificationRow

_NOTIFICATION_COLUMNS: Final = (
    "public_id", "position", "type", "topic", "level", "event__title", "event__body", "event__url", "event__actor",
    "event__data", "created_at", "read_at", "expires_at", "replay_of",
)  # fmt: skip
_CHANGE_COLUMNS: Final = (
    "inbox_id", "position", "kind", "at", "unread_count", "up_to", "category", "reason", "created_position",
    "created_at", "notification__public_id", "notification__replay_of", "event__type", "event__topic", "event__level",
    "event__title", "event__body", "event__url", "event__actor", "event__data", "event__expires_at",
)  # fmt: skip


class InboxState(NamedTuple):
    """An inbox's counters at one moment."""

    user_id: Any
    epoch: str
    head: int
    floor: int
    unread_count: int

    @property
    def cursor(self) -> Cursor:
        """Its head as a cursor."""
        return Cursor(self.epoch, self.head)


class Page(NamedTuple):
    """Part of a list, with the whole inbox's cursor and count of the same snapshot."""

    rows: list[NotificationRow]
    next_before: int | None
    cursor: Cursor
    unread_count: int


class Counts(NamedTuple):
    """How much is unread, with the cursor of the same snapshot; categories with nothing unread are left out."""

    cursor: Cursor
    unread_count: int
    by_category: dict[str, int]


def inboxes(user_ids: Iterable[Any]) -> dict[Any, InboxState]:
    """The counters of some users' inboxes; a user without one is left out. One query."""
    rows = Inbox.objects.filter(pk__in=_keys(user_ids)).values_list(*InboxState._fields)
    return {row[0]: InboxState(*row) for row in rows}


def inbox(user_id: Any) -> InboxState | None:
    """The counters of one user's inbox; None without one. One query.

    Written by hand: every poll asks it, and making the statement would take longer than answering it.
    """
    key = Inbox._meta.pk.to_python(user_id)
    table = connection.ops.quote_name(Inbox._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT epoch, head, floor, unread_count FROM {table} WHERE user_id = %s",  # noqa: S608 (no input)
            [_db_key(key)],
        )
        row = cursor.fetchone()
    return None if row is None else InboxState(key, *row)


def active_user(**key: Any) -> Any | None:
    """The user with this key (``pk``, or the field of the username); None when there is none or is not active. One query."""
    user: Any = get_user_model()._default_manager.filter(**key).first()
    return user if user is not None and user.is_active else None


def is_token_usable(token_id: Any, now: datetime) -> bool:
    """Whether an API token opens anything at ``now``. One query."""
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    return token is not None and token.is_usable(now)


def get_broadcast(broadcast_id: UUID, *, owner_id: Any) -> Broadcast:
    """A producer's own broadcast. One query.

    Raises:
        NotFound: it does not exist, or is somebody else's.
    """
    job = Broadcast.objects.filter(pk=broadcast_id, owner_id=owner_id).first()
    if job is None:
        raise NotFound
    return job


def list_page(
    user_id: Any,
    *,
    filters: Filters = NO_FILTERS,
    words: Collection[str] | None = None,
    unread_only: bool = False,
    before: int | None = None,
    limit: int = 25,
) -> Page:
    """Part of a user's list, newest first. One statement; the inbox must exist (``services.open_inbox``).

    Args:
        user_id: primary key of the recipient.
        filters: which notifications are wanted.
        words: what their title and body must have, each of them; None for whatever they have.
        unread_only: leave out what has been read.
        before: only positions below this one; for the next page, ``Page.next_before``.
        limit: rows at most.

    Raises:
        Inbox.DoesNotExist: the user has no inbox yet.
    """
    listed = Notification.objects.filter(Notification.UNREAD if unread_only else Notification.LISTED)
    listed = listed.filter(_condition(filters), recipient_id=user_id).order_by("-position")
    if words is not None:
        listed = listed.filter(has_words(words))
    if before is not None:
        listed = listed.filter(position__lt=max(before, 0))
    page, params = listed[: limit + 1].query.sql_with_params()
    quote = connection.ops.quote_name
    # The inbox drives the join, so that an empty page has a cursor too; the limit is inside, so that the index on
    # (recipient, position) is walked and the depth of the page does not matter.
    found = list(
        Notification.objects.raw(
            f"""SELECT n.*, e.title AS event_title, e.body AS event_body, e.url AS event_url, e.actor AS event_actor,
                       e.data AS event_data, i.epoch AS inbox_epoch, i.head AS inbox_head, i.unread_count AS inbox_unread
                FROM {quote("notifications_inbox")} i
                LEFT JOIN ({page}) n ON n.recipient_id = i.user_id
                LEFT JOIN {quote("notifications_event")} e ON e.id = n.event_id
                WHERE i.user_id = %s ORDER BY n.position DESC""",  # noqa: S608 (only names and placeholders)
            (*params, _db_key(user_id)),
        )
    )
    if not found:
        raise Inbox.DoesNotExist(f"user {user_id!r} has no inbox")
    first: Any = found[0]
    rows = [_notification_row(item) for item in found if item.position is not None]
    more = len(rows) > limit
    return Page(
        rows=rows[:limit],
        next_before=rows[limit - 1].position if more else None,
        cursor=Cursor(first.inbox_epoch, first.inbox_head),
        unread_count=first.inbox_unread,
    )


def list_slice(
    user_id: Any, *, start: int, limit: int, newest_first: bool
) -> tuple[list[NotificationRow], int]:
    """Part of a user's list by index, and how many are listed. One statement, two when the part is empty.

    The index is counted through, so that this, unlike ``list_page``, costs more the further it is.

    Args:
        start: how many to pass over.
        limit: rows at most.
        newest_first: else oldest first.
    """
    listed = Notification.objects.filter(Notification.LISTED, recipient_id=user_id)
    order = "-position" if newest_first else "position"
    counted = listed.order_by().values("recipient_id").annotate(total=Count("pk")).values("total")
    rows = list(
        Notification.objects.filter(pk__in=listed.order_by(order).values("pk")[start : start + limit])
        .order_by(order)
        .values_list(*_NOTIFICATION_COLUMNS, Subquery(counted))
    )
    total = rows[0][-1] if rows else listed.count()
    return [NotificationRow(*row[:-1]) for row in rows], total


def get_notification(user_id: Any, public_id: UUID) -> NotificationRow:
    """One listed notification of a user.

    Raises:
        NotFound: it does not exist, is deleted, or is somebody else's.
    """
    row = (
        Notification.objects.filter(Notification.LISTED, recipient_id=user_id, public_id=public_id)
        .values_list(*_NOTIFICATION_COLUMNS)
        .first()
    )
    if row is None:
        raise NotFound
    return NotificationRow(*row)


def counts(user_id: Any) -> Counts:
    """A user's unread notifications, in all and by category. One statement; the inbox must exist.

    Args:
        user_id: primary key of the recipient.

    Raises:
        Inbox.DoesNotExist: the user has no inbox yet.
    """
    unread = Q(
        user__notifications__position__isnull=False,
        user__notifications__deleted_at__isnull=True,
        user__notifications__read_at__isnull=True,
    )
    found = list(
        Inbox.objects.filter(pk=user_id)
        .annotate(unread=FilteredRelation("user__notifications", condition=unread))
        .values_list("epoch", "head", "unread_count", "unread__category")
        .annotate(unread_in_category=Count("unread__position"))
        .order_by("unread__category")
    )
    if not found:
        raise Inbox.DoesNotExist(f"user {user_id!r} has no inbox")
    epoch, head, unread_count = found[0][:3]
    by_category = {category: number for *_, category, number in found if number}
    return Counts(cursor=Cursor(epoch, head), unread_count=unread_count, by_category=by_category)


def changes_after(
    user_id: Any,
    *,
    after: int,
    up_to: int,
    limit: int,
    filters: Filters = NO_FILTERS,
    floor: int = 0,
    compacted_to: int = 0,
) -> list[ChangeRow]:
    """The log of one inbox from ``after`` (exclusive) to ``up_to`` (inclusive), oldest first. One query, two for no rows.

    With ``filters``, changes of notifications that do not match are left out; ``read_all`` always stays.

    Args:
        floor: for reading the base state itself, the floor when that reading began: it must still be the same.
        compacted_to: leave out each change that a later one of the same notification, at or below this position, supersedes.

    Raises:
        CursorExpired: meanwhile the log has been compacted past ``after``, so that a fold from there would be wrong.
    """
    matching = _condition(filters, source="event__") | Q(kind="read_all") if filters else Q()
    if compacted_to:
        # One look at an index for each change, which ends at the first later one. All-read has no notification.
        later = Change.objects.filter(
            notification_id=OuterRef("notification_id"),
            position__gt=OuterRef("position"),
            position__lte=compacted_to,
        )
        matching &= Q(~Exists(later))
    rows = (
        Change.objects.filter(
            matching,
            inbox_id=user_id,
            position__gt=after,
            position__lte=up_to,
        )
        .order_by("position")
        .values_list(*_CHANGE_COLUMNS, "inbox__epoch", "inbox__head", "inbox__floor")[:limit]
    )
    found = list(
        rows
    )  # one statement, so one snapshot: these rows are complete if this floor has not passed them
    inbox = Inbox.objects.filter(pk=user_id).values_list("epoch", "head", "floor")
    for epoch, head, floor_now in [found[0][-3:]] if found else inbox:
        if floor_now > max(after, floor):
            raise CursorExpired(head=str(Cursor(epoch, head)))
    return [ChangeRow(*row[:-3]) for row in found]


def changes_since(positions: Mapping[Any, int], *, limit: int) -> dict[Any, list[ChangeRow]]:
    """The logs of several inboxes, each from its own position (exclusive), oldest first. One query.

    Args:
        positions: for each user's primary key, the last position that is known.
        limit: changes of one inbox at most.
    """
    wanted = _after_each(positions, limit)
    rows = Change.objects.filter(pk__in=wanted).order_by("inbox_id", "position").values_list(*_CHANGE_COLUMNS)
    logs: dict[Any, list[ChangeRow]] = {}
    for row in rows:
        logs.setdefault(row[0], []).append(ChangeRow(*row))
    return logs


def recipients_with_staged(now: Any, *, after: Any = None, limit: int) -> list[Any]:
    """Users who have staged notifications that are not, or no longer, scheduled for later. One query, no lock.

    Args:
        now: the time at which they are due.
        after: only users with greater keys, for the next part; None for the first.
        limit: users at most, in the order of their keys.
    """
    staged = Notification.objects.filter(Notification.STAGED).order_by()
    if after is not None:
        staged = staged.filter(recipient_id__gt=after)
    # Not one OR: each half has a partial index, and behind an OR SQLite finds neither.
    keys = staged.values("pk")
    due = keys.filter(deliver_at__isnull=True).union(keys.filter(deliver_at__lte=now), all=True)
    rows = Notification.objects.filter(pk__in=due).order_by("recipient_id")
    return list(rows.values_list("recipient_id", flat=True).distinct()[:limit])


def recipients_with_expired(now: Any, *, limit: int) -> list[Any]:
    """Users of the ``limit`` listed notifications that expired first. One query, no lock."""
    rows = Notification.objects.filter(Notification.LISTED, expires_at__lte=now).order_by("expires_at")
    return list(dict.fromkeys(rows.values_list("recipient_id", flat=True)[:limit]))


def is_worker_alive() -> Exists:
    """Whether the worker of a stream's row has shown a sign of life of late, by the database's clock; a part of other queries."""
    seen_after = Now() - timedelta(seconds=hub_config().worker_lost_seconds)
    return Exists(Worker.objects.filter(pk=OuterRef("worker_id"), ended_at=None, seen_at__gt=seen_after))


def open_streams(user_id: Any) -> list[StreamSession]:
    """A user's open streams, oldest first; those of processes that are lost are none. One query."""
    rows = StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive(), user_id=user_id)
    return list(rows.order_by("pk"))


def streams_asked_to_end(worker_id: UUID) -> dict[UUID, str]:
    """Those of a process's streams that somebody else has ended, each with the reason. One query."""
    asked = StreamSession.objects.filter(~Q(asked=""), worker_id=worker_id)
    return dict(asked.values_list("pk", "asked"))


def open_streams_of_worker(worker_id: UUID) -> list[UUID]:
    """The keys of the streams that are on record as open in a process. One query."""
    rows = StreamSession.objects.filter(StreamSession.OPEN, worker_id=worker_id)
    return list(rows.values_list("pk", flat=True))


def _notification_row(item: Any) -> NotificationRow:
    return NotificationRow(
        item.public_id, item.position, item.type, item.topic, item.level, item.event_title, item.event_body,
        item.event_url, item.event_actor, item.event_data, item.created_at, item.read_at, item.expires_at, item.replay_of,
    )  # fmt: skip


def _after_each(positions: Mapping[Any, int], limit: int) -> RawSQL:
    """The keys of up to ``limit`` changes after each inbox's position; as one condition for each inbox it would take
    some 100 µs of Python an inbox, and SQLite nests no more than 1,000."""
    keys = _db_keys(positions)
    if connection.vendor == "postgresql":
        given = f"unnest(%s::{Inbox._meta.pk.db_type(connection)}[], %s::bigint[]) AS w(inbox_id, after)"
        params: list[Any] = [keys, list(positions.values())]
    else:
        columns = "json_extract(value, '$[0]') AS inbox_id, json_extract(value, '$[1]') AS after"
        given = f"(SELECT {columns} FROM json_each(%s)) AS w"  # noqa: S608 (no input)
        params = [json.dumps(list(zip(keys, positions.values(), strict=True)))]
    return RawSQL(  # noqa: S611 (no input)
        f"""SELECT c.id FROM {given} JOIN {connection.ops.quote_name(Change._meta.db_table)} c
            ON c.inbox_id = w.inbox_id AND c.position > w.after AND c.position <= w.after + %s""",  # noqa: S608 (no input)
        (*params, limit),
    )


def _keys(user_ids: Iterable[Any]) -> RawSQL:
    """The users' keys as one parameter: each on its own would cost some 5 µs, and SQLite takes no more than 32,766."""
    keys = _db_keys(user_ids)
    if connection.vendor == "postgresql":
        return RawSQL(f"SELECT unnest(%s::{Inbox._meta.pk.db_type(connection)}[])", [keys])  # noqa: S611 (no input)
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(keys)])


def _db_key(user_id: Any) -> Any:
    return _db_keys([user_id])[0]


def _db_keys(user_ids: Iterable[Any]) -> list[Any]:
    prepare, database = Inbox._meta.pk.get_db_prep_value, connections[connection.alias]
    return [prepare(user_id, database) for user_id in user_ids]


def _condition(filters: Filters, *, source: str = "") -> Q:
    """What the filters admit, by the columns of the notification itself or of its event (``source``)."""
    condition = Q()
    if filters.categories:
        condition &= _any(_type_prefix(source, f"{category}.") for category in sorted(filters.categories))
    if filters.types or filters.type_prefixes:
        exact = Q(**{f"{source}type__in": sorted(filters.types)})
        condition &= exact | _any(_type_prefix(source, prefix) for prefix in filters.type_prefixes)
    if filters.topics:
        condition &= Q(**{f"{source}topic__in": sorted(filters.topics)})
    if filters.levels:
        condition &= Q(**{f"{source}level__in": sorted(filters.levels)})
    return condition


def _type_prefix(source: str, prefix: str) -> Q:
    return Q(**{f"{source}type__startswith": prefix})


def _any(conditions: Iterable[Q]) -> Q:
    result = Q(pk__in=())
    for condition in conditions:
        result |= condition
    return result
