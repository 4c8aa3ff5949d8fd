"""An inbox as its user had it at any position of its log: a fold of the log, done by the database and paged.

What stays at or below the floor is the base state, so every position from the floor to the head can be shown. Reads alone: whoever
looks at the past of an inbox leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q

from notifications.cursors import Cursor
from notifications.exceptions import CursorExpired
from notifications.models import Change, ChangeKind, Inbox
from notifications.payloads import NotificationRow

_COLUMNS: Final = (
    "position", "kind", "at", "notification__public_id", "created_position", "event__type", "event__topic", "event__level",
    "event__title", "event__body", "event__url", "event__actor", "event__data", "created_at", "event__expires_at",
    "notification__replay_of", "notification__category",
)  # fmt: skip
_READS: Final = 500  # all-read changes that are read at a time


class PastPage(NamedTuple):
    """Part of the list as it was at a position, newest first, with the whole inbox's counts at that position."""

    rows: list[NotificationRow]
    next_before: int | None
    listed_count: int
    unread_count: int


def past_page(
    user_id: Any, *, floor: int, position: int, before: int | None = None, limit: int = 25
) -> PastPage:
    """Part of a user's list as it was when ``position`` was the newest change.

    Four queries, and one more for each 500 all-read changes that have to be looked at.

    Args:
        floor: the inbox's, read just now.
        position: from the floor to the head.
        before: only notifications created below this position; for the next page, ``PastPage.next_before``.
        limit: rows at most.

    Raises:
        CursorExpired: meanwhile the log has been compacted past ``position``, so that what was read may be wrong.
    """
    found = _newest_changes(user_id, position=position, before=before, limit=limit + 1)
    shown = found[:limit]
    read_at = _read_with_others(user_id, shown, position)
    listed_count = _listed_count(user_id, floor, position)
    unread_count = _unread_count(user_id, floor, position)
    for epoch, head, floor_now in Inbox.objects.filter(pk=user_id).values_list("epoch", "head", "floor"):
        if floor_now > position:
            raise CursorExpired(head=str(Cursor(epoch, head)))
    return PastPage(
        rows=[_row(each, read_at.get(each[0])) for each in shown],
        next_before=shown[-1][4] if len(found) > limit else None,
        listed_count=listed_count,
        unread_count=unread_count,
    )


def position_at(user_id: Any, at: datetime) -> int | None:
    """The newest position of an inbox at a time; None when no change is kept from before then. One query."""
    changes = Change.objects.filter(inbox_id=user_id, at__lte=at).order_by("-position")
    return changes.values_list("position", flat=True).first()


def first_change_at(user_id: Any) -> datetime | None:
    """The time of the oldest change that is kept; None for an inbox without any. One query."""
    changes = Change.objects.filter(inbox_id=user_id).order_by("position")
    return changes.values_list("at", flat=True).first()


def _newest_changes(user_id: Any, *, position: int, before: int | None, limit: int) -> list[tuple[Any, ...]]:
    """The newest change, up to a position, of each notification that was listed there; the latest created ones first."""
    later = Change.objects.filter(
        notification_id=OuterRef("notification_id"), position__gt=OuterRef("position"), position__lte=position
    )
    newest = Change.objects.filter(
        ~Exists(later),
        inbox_id=user_id,
        position__lte=position,
        kind__in=(ChangeKind.CREATED, ChangeKind.READ, ChangeKind.UNREAD),
    )
    if before is not None:
        newest = newest.filter(created_position__lt=before)
    # The limit is inside, so that events are joined to what is shown alone.
    keys = newest.order_by("-created_position").values("pk")[:limit]
    return list(Change.objects.filter(pk__in=keys).order_by("-created_position").values_list(*_COLUMNS))


def _read_with_others(user_id: Any, shown: list[tuple[Any, ...]], position: int) -> dict[int, datetime]:
    """By the position of each shown change that left its notification unread: when an all-read change then read it, if one did."""
    waiting = {each[0]: each for each in shown if each[1] != ChangeKind.READ}
    read: dict[int, datetime] = {}
    if not waiting:
        return read
    for at_position, at, up_to, category in _all_reads(user_id, after=min(waiting), up_to=position):
        for key, each in list(waiting.items()):
            if key < at_position and each[4] <= up_to and category in ("", each[-1]):
                read[key] = at
                del waiting[key]
        if not waiting:
            break
    return read


def _all_reads(user_id: Any, *, after: int, up_to: int) -> Iterator[tuple[int, datetime, int, str]]:
    """All-read changes in order, so many at a time."""
    while True:
        rows = Change.objects.filter(
            inbox_id=user_id, kind=ChangeKind.READ_ALL, position__gt=after, position__lte=up_to
        ).order_by("position")
        page: list[Any] = list(rows.values_list("position", "at", "up_to", "category")[:_READS])
        yield from page
        if len(page) < _READS:
            return
        after = page[-1][0]


def _listed_count(user_id: Any, floor: int, position: int) -> int:
    """The base state has one change for each that was listed, and no deletion."""
    rows = Change.objects.filter(inbox_id=user_id, position__lte=position)
    counts = rows.aggregate(
        at_floor=Count("pk", filter=Q(position__lte=floor) & ~Q(kind=ChangeKind.READ_ALL)),
        created=Count("pk", filter=Q(position__gt=floor, kind=ChangeKind.CREATED)),
        deleted=Count("pk", filter=Q(position__gt=floor, kind=ChangeKind.DELETED)),
    )
    return int(counts["at_floor"] + counts["created"] - counts["deleted"])


def _unread_count(user_id: Any, floor: int, position: int) -> int:
    """Each change says it; at the floor itself the one that did may be gone, and it is counted."""
    rows = Change.objects.filter(inbox_id=user_id)
    said = rows.filter(position=position).values_list("unread_count", flat=True).first()
    if said is not None or position == 0:
        return said or 0
    taken_along = Change.objects.filter(
        Q(category="") | Q(category=OuterRef("notification__category")),
        inbox_id=user_id,
        kind=ChangeKind.READ_ALL,
        position__gt=OuterRef("position"),
        position__lte=floor,
        up_to__gte=OuterRef("created_position"),
    )
    unread = (ChangeKind.CREATED, ChangeKind.UNREAD)
    return rows.filter(~Exists(taken_along), position__lte=floor, kind__in=unread).count()


def _row(change: tuple[Any, ...], read_with_others_at: datetime | None) -> NotificationRow:
    (
        _,
        kind,
        at,
        public_id,
        created,
        type_,
        topic,
        level,
        title,
        body,
        url,
        actor,
        data,
        created_at,
        expires_at,
        replay_of,
        _,
    ) = change
    return NotificationRow(
        public_id, created, type_, topic, level, title, body, url, actor, data, created_at,
        at if kind == ChangeKind.READ else read_with_others_at, expires_at, replay_of,
    )  # fmt: skip
