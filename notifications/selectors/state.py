"""Reads of inboxes as a whole: their counters, how much is unread, and whose have work that is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, FilteredRelation, Q

from notifications.models import Inbox, Notification
from notifications.protocol.cursors import Cursor
from notifications.selectors.users import db_key, key_rows
from notifications.sql.arrays import given_rows
from notifications.sql.dialect import table


class InboxState(NamedTuple):
    """The counters of an inbox in one snapshot."""

    user_id: Any
    epoch: str
    head: int
    floor: int
    unread_count: int

    @property
    def cursor(self) -> Cursor:
        """The head as a cursor."""
        return Cursor(self.epoch, self.head)


class Counts(NamedTuple):
    """How much is unread, with the cursor of the same snapshot.

    Categories with nothing unread are left out.
    """

    cursor: Cursor
    unread_count: int
    by_category: dict[str, int]


def inboxes(user_ids: Iterable[Any]) -> dict[Any, InboxState]:
    """Return the counters of some users' inboxes. A user without an inbox is left out. One query."""
    rows = Inbox.objects.filter(pk__in=key_rows(user_ids)).values_list(*InboxState._fields)
    return {row[0]: InboxState(*row) for row in rows}


def changed_inboxes(user_ids: list[Any], epochs: list[str], heads: list[int]) -> dict[Any, InboxState]:
    """Return those inboxes whose epoch or head has changed. A user without an inbox is left out. One query.

    Every process asks this every few seconds for all users who are connected to it, and hardly any inbox has
    changed: so the database compares.

    Args:
        user_ids, epochs, heads: what is known of each inbox, in the same order.
    """
    key: Any = Inbox._meta.pk
    fields = {"id": key, "epoch": Inbox._meta.get_field("epoch"), "head": Inbox._meta.get_field("head")}
    given, params = given_rows("w", fields, (user_ids, epochs, heads))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT i.user_id, i.epoch, i.head, i.floor, i.unread_count
                FROM {given} JOIN {table(Inbox)} i ON i.user_id = w.id
                WHERE i.head <> w.head OR i.epoch <> w.epoch""",  # noqa: S608 (no input)
            params,
        )
        rows = cursor.fetchall()
    states = [InboxState(key.to_python(row[0]), *row[1:]) for row in rows]
    return {state.user_id: state for state in states}


def inbox(user_id: Any) -> InboxState | None:
    """Return the counters of one user's inbox; None for a user without one. One query.

    The statement is written by hand: every poll runs it, and the ORM would take longer to make it than the
    database to answer it.
    """
    key = Inbox._meta.pk.to_python(user_id)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT epoch, head, floor, unread_count FROM {table(Inbox)} WHERE user_id = %s",  # noqa: S608 (no input)
            [db_key(key)],
        )
        row = cursor.fetchone()
    return None if row is None else InboxState(key, *row)


def counts(user_id: Any) -> Counts:
    """Return how much a user has unread, in all and by category. One statement; the inbox must exist.

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


def recipients_with_staged(now: Any, *, after: Any = None, limit: int) -> list[Any]:
    """Return users who have staged notifications that are due. One query, no lock.

    Args:
        now: what is scheduled for a later time is not due.
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
    """Return the users of the ``limit`` listed notifications that expired first. One query, no lock."""
    rows = Notification.objects.filter(Notification.LISTED, expires_at__lte=now).order_by("expires_at")
    return list(dict.fromkeys(rows.values_list("recipient_id", flat=True)[:limit]))
