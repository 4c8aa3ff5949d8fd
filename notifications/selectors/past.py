"""Reads of an inbox as it was at any position of its log.

The database folds the log, a page at a time. What stays at or below the floor is the base state, so every
position from the floor to the head can be shown. Looking at the past of an inbox leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from notifications.change_kinds import OBJECT_KINDS, AllRead
from notifications.exceptions import CursorExpired
from notifications.models import Change, ChangeKind, Inbox, Notification
from notifications.notification_states import State
from notifications.payloads import NotificationRow
from notifications.protocol.cursors import Cursor
from notifications.selectors.listing import notification_columns

_COLUMNS: Final = notification_columns("type", "category", "topic", "level", "expires_at")
_ALL_READS: Final = 500  # all-read changes that are read at a time


class PastPage(NamedTuple):
    """Part of the list as it was at a position, newest first, with the counts of the inbox there."""

    rows: list[NotificationRow]
    next_before: int | None
    listed_count: int
    unread_count: int


def past_page(
    user_id: Any, *, floor: int, position: int, before: int | None = None, limit: int = 25
) -> PastPage:
    """Return part of a user's list as it was when ``position`` was the newest change.

    Six queries, and one more for each 500 all-read changes that have to be looked at.

    Args:
        floor: the inbox's, read just now.
        position: from the floor to the head.
        before: only notifications created below this position; for the next page, ``PastPage.next_before``.
        limit: rows at most.

    Raises:
        CursorExpired: meanwhile the log has been compacted past ``position``, so that what was read may be
            wrong.
    """
    unread_count, at = _count_and_time_at(user_id, floor, position)
    found = _listed_at(user_id, position, at, before=before, limit=limit + 1)
    shown = found[:limit]
    states = _states(user_id, shown, position)
    listed_count = _listed_count(user_id, floor, position)
    for epoch, head, floor_now in Inbox.objects.filter(pk=user_id).values_list("epoch", "head", "floor"):
        if floor_now > position:
            raise CursorExpired(head=str(Cursor(epoch, head)))
    return PastPage(
        rows=[each.row._replace(**states[each.row.position]._asdict()) for each in shown],
        next_before=shown[-1].row.position if len(found) > limit else None,
        listed_count=listed_count,
        unread_count=unread_count,
    )


def position_at(user_id: Any, at: datetime) -> int | None:
    """Return the newest position of an inbox at a time; None if no older change is kept. One query."""
    changes = Change.objects.filter(inbox_id=user_id, at__lte=at).order_by("-position")
    return changes.values_list("position", flat=True).first()


def first_change_at(user_id: Any) -> datetime | None:
    """Return the time of the oldest change that is kept; None for an inbox without any. One query."""
    changes = Change.objects.filter(inbox_id=user_id).order_by("position")
    return changes.values_list("at", flat=True).first()


class _Listed(NamedTuple):
    """A notification that was listed: as it is now, and the position of its newest change until then."""

    row: NotificationRow
    newest: int


def _listed_at(
    user_id: Any, position: int, at: datetime | None, *, before: int | None, limit: int
) -> list[_Listed]:
    """Return what was listed at a position, the latest created first.

    The time of deletion rules out most of what was gone already; the log decides about the rest.

    Args:
        at: the time of the position; None when its change was compacted away.
    """
    changes = Change.objects.filter(notification_id=OuterRef("pk"), position__lte=position)
    kept = Exists(changes) if at is None else Q(deleted_at__isnull=True) | Q(deleted_at__gte=at)
    listed = Notification.objects.filter(
        kept,
        ~Exists(changes.filter(kind=ChangeKind.DELETED)),
        recipient_id=user_id,
        position__lte=position if before is None else min(position, before - 1),
    )
    newest = changes.order_by("-position").values("position")[:1]
    # The limit is inside, so that events are joined to what is shown alone.
    keys = listed.order_by("-position").values("pk")[:limit]
    rows = Notification.objects.filter(pk__in=keys).order_by("-position")
    found = rows.values_list(*_COLUMNS, Subquery(newest))
    return [_Listed(NotificationRow(*row[:-1]), row[-1]) for row in found]


def _states(user_id: Any, shown: list[_Listed], position: int) -> dict[int, State]:
    """Return the state of each shown notification, by its position.

    The state is that of its newest change, or read by the first all-read change after it that covers it.
    """
    changes = Change.objects.filter(inbox_id=user_id, position__in=[each.newest for each in shown])
    own = {newest: State(*state) for newest, *state in changes.values_list("position", *State._fields)}
    # One that is missing was compacted away just now, which the look at the floor finds.
    states = {each.row.position: own.get(each.newest, State()) for each in shown}
    waiting = [each for each in shown if states[each.row.position].read_at is None]
    if not waiting:
        return states
    after = min(each.newest for each in waiting)
    for all_read in _all_reads(user_id, after=after, up_to=position):
        for each in tuple(waiting):
            created = each.row.position
            if all_read.covers(created=created, newest=each.newest, category=each.row.category):
                states[created] = states[created]._replace(read_at=all_read.at)
                waiting.remove(each)
        if not waiting:
            break
    return states


def _all_reads(user_id: Any, *, after: int, up_to: int) -> Iterator[AllRead]:
    """Yield the all-read changes in order, reading ``_ALL_READS`` at a time."""
    while True:
        rows = Change.objects.filter(
            inbox_id=user_id, kind=ChangeKind.READ_ALL, position__gt=after, position__lte=up_to
        ).order_by("position")
        page = [AllRead(*row) for row in rows.values_list(*AllRead._fields)[:_ALL_READS]]
        yield from page
        if len(page) < _ALL_READS:
            return
        after = page[-1].position


def _listed_count(user_id: Any, floor: int, position: int) -> int:
    """Return how many notifications were listed.

    The base state has one change for each that was listed at the floor, and no deletions.
    """
    rows = Change.objects.filter(inbox_id=user_id, position__lte=position)
    counts = rows.aggregate(
        at_floor=Count("pk", filter=Q(position__lte=floor) & ~Q(kind=ChangeKind.READ_ALL)),
        created=Count("pk", filter=Q(position__gt=floor, kind=ChangeKind.CREATED)),
        deleted=Count("pk", filter=Q(position__gt=floor, kind=ChangeKind.DELETED)),
    )
    return int(counts["at_floor"] + counts["created"] - counts["deleted"])


def _count_and_time_at(user_id: Any, floor: int, position: int) -> tuple[int, datetime | None]:
    """Return how many notifications were unread at a position, and its time.

    At the floor itself the change that holds both may be gone; then the unread ones are counted, and the time
    is None.
    """
    rows = Change.objects.filter(inbox_id=user_id)
    said = rows.filter(position=position).values_list("unread_count", "at").first()
    if said is not None or position == 0:
        return said or (0, None)
    taken_along = Change.objects.filter(
        Q(read_category="") | Q(read_category=OuterRef("notification__category")),
        inbox_id=user_id,
        kind=ChangeKind.READ_ALL,
        position__gt=OuterRef("position"),
        position__lte=floor,
        up_to__gte=OuterRef("created_position"),
    )
    unread = rows.filter(kind__in=OBJECT_KINDS, read_at__isnull=True, position__lte=floor)
    return unread.filter(~Exists(taken_along)).count(), None
