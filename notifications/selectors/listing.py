"""Reads of the notifications that a user has listed, pages and single ones, and what filters admit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Subquery

from notifications.exceptions import NotFound
from notifications.filters import NO_FILTERS, Filters
from notifications.models import Event, Inbox, Notification
from notifications.models.word_search import has_words
from notifications.payloads import NotificationRow
from notifications.protocol.cursors import Cursor
from notifications.selectors.users import db_key
from notifications.sql.dialect import table

# What a row has from its event; for the rest the notification has a copy, so that lists and filters need no
# join.
_TEXTS: Final = ("title", "body", "url", "actor", "actions", "data")


def notification_columns(*of_event: str) -> tuple[str, ...]:
    """Return the columns of a ``NotificationRow`` for ``values_list``.

    Args:
        of_event: fields that are read from the event too, rather than from the copy in the notification.
    """
    through = {*_TEXTS, *of_event}
    return tuple(f"event__{name}" if name in through else name for name in NotificationRow._fields)


_NOTIFICATION_COLUMNS: Final = notification_columns()
_of_item: Final = attrgetter(*(name.replace("__", "_") for name in _NOTIFICATION_COLUMNS))


class Page(NamedTuple):
    """Part of a list, with the cursor and unread count of the inbox in the same snapshot."""

    rows: list[NotificationRow]
    next_before: int | None
    cursor: Cursor
    unread_count: int


def list_page(
    user_id: Any,
    *,
    filters: Filters = NO_FILTERS,
    words: Collection[str] | None = None,
    unread_only: bool = False,
    archived: bool = False,
    before: int | None = None,
    limit: int = 25,
) -> Page:
    """Return part of a user's list, newest first.

    One statement; the inbox must exist (``services.open_inbox``).

    Args:
        user_id: primary key of the recipient.
        filters: which notifications are wanted.
        words: what their title and body must have, each of them; None for whatever they have.
        unread_only: leave out what has been read.
        archived: what the user has archived; otherwise that is left out.
        before: only positions below this one; for the next page, ``Page.next_before``.
        limit: rows at most.

    Raises:
        Inbox.DoesNotExist: the user has no inbox yet.
    """
    listed = Notification.objects.filter(Notification.ARCHIVED if archived else Notification.IN_LIST)
    if unread_only:
        listed = listed.filter(Notification.UNREAD)
    listed = listed.filter(condition(filters), recipient_id=user_id).order_by("-position")
    if words is not None:
        listed = listed.filter(has_words(words))
    if before is not None:
        listed = listed.filter(position__lt=max(before, 0))
    found = _with_inbox(listed[: limit + 1], user_id)
    rows = [_notification_row(item) for item in found if item.position is not None]
    more = len(rows) > limit
    return Page(
        rows=rows[:limit],
        next_before=rows[limit - 1].position if more else None,
        cursor=Cursor(found[0].inbox_epoch, found[0].inbox_head),
        unread_count=found[0].inbox_unread,
    )


def list_slice(
    user_id: Any,
    *,
    start: int,
    limit: int,
    newest_first: bool,
    filters: Filters = NO_FILTERS,
    is_read: bool | None = None,
) -> tuple[list[NotificationRow], int]:
    """Return part of a user's list by index, and how many notifications are listed.

    One statement, two if the part is empty. The database counts up to the index, so that a later part costs
    more, unlike with ``list_page``.

    Args:
        start: how many to pass over.
        limit: rows at most.
        newest_first: else oldest first.
        filters: which notifications are wanted, and counted.
        is_read: only those that are read, or only those that are not; None for both.
    """
    listed = Notification.objects.filter(Notification.IN_LIST, condition(filters), recipient_id=user_id)
    if is_read is not None:
        listed = listed.filter(read_at__isnull=not is_read)
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
    """Return one listed notification of a user. One query.

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


def listed_notifications(ids: Collection[int]) -> list[tuple[Any, NotificationRow]]:
    """Return those notifications that are listed, each with its recipient's primary key. One query.

    Args:
        ids: primary keys, not the ids of the wire.
    """
    rows = Notification.objects.filter(Notification.LISTED, pk__in=ids).order_by("pk")
    return [
        (user_id, NotificationRow(*row))
        for user_id, *row in rows.values_list("recipient_id", *_NOTIFICATION_COLUMNS)
    ]


def condition(filters: Filters, *, source: str = "") -> Q:
    """Return the condition that the filters admit a row.

    Args:
        source: the prefix of the columns: empty for those of the notification itself, ``event__`` for those
            of its event.
    """
    condition = Q()
    if filters.categories:
        condition &= Q(**{f"{source}category__in": sorted(filters.categories)})
    if filters.types or filters.type_prefixes:
        exact = Q(**{f"{source}type__in": sorted(filters.types)})
        condition &= exact | _any(_type_prefix(source, prefix) for prefix in filters.type_prefixes)
    if filters.topics:
        condition &= Q(**{f"{source}topic__in": sorted(filters.topics)})
    if filters.levels:
        condition &= Q(**{f"{source}level__in": sorted(filters.levels)})
    return condition


def _with_inbox(page: QuerySet[Notification], user_id: Any) -> list[Any]:
    """Return the notifications of a page with the texts of their events, each beside its inbox.

    An empty page is one row of the inbox alone.

    Raises:
        Inbox.DoesNotExist: the user has no inbox yet.
    """
    # Without the one column of which a statement has an expression (``ReadableDateTimeField``): nothing
    # listed has to wait.
    rows, params = page.defer("deliver_at").query.sql_with_params()
    # The inbox drives the join, so that an empty page has a cursor too; the limit is inside, so that the
    # index on (recipient, position) is walked and the depth of the page does not matter.
    found = list(
        Notification.objects.raw(
            f"""SELECT n.*, e.title AS event_title, e.body AS event_body, e.url AS event_url,
                       e.actor AS event_actor, e.actions AS event_actions, e.data AS event_data,
                       i.epoch AS inbox_epoch, i.head AS inbox_head, i.unread_count AS inbox_unread
                FROM {table(Inbox)} i
                LEFT JOIN ({rows}) n ON n.recipient_id = i.user_id
                LEFT JOIN {table(Event)} e ON e.id = n.event_id
                WHERE i.user_id = %s ORDER BY n.position DESC""",  # noqa: S608 (only names and placeholders)
            (*params, db_key(user_id)),
        )
    )
    if not found:
        raise Inbox.DoesNotExist(f"user {user_id!r} has no inbox")
    return found


def _notification_row(item: Any) -> NotificationRow:
    return NotificationRow(*_of_item(item))


def _type_prefix(source: str, prefix: str) -> Q:
    return Q(**{f"{source}type__startswith": prefix})


def _any(conditions: Iterable[Q]) -> Q:
    result = Q(pk__in=())
    for condition in conditions:
        result |= condition
    return result
