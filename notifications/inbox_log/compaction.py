"""Apply retention to an inbox: delete its old notifications, and compact the old part of its log.

What stays at or below the floor is the base state: the changes from which a fold gives the inbox as it was at
the floor. Rows that no change needs any more are removed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from notifications.change_kinds import Carries, sql_covers, sql_is_unread, sql_kinds
from notifications.inbox_log.append import Listed, LogBatch, in_order
from notifications.inbox_log.inboxes import announce_on_commit, lock_inboxes
from notifications.inbox_log.provenance import SYSTEM
from notifications.models import Broadcast, Change, Event, Inbox, Notification, Reason, ReplayedNotification
from notifications.sql.dialect import table

MAX_DELETED: Final = 500  # of one inbox in one run, so that a first run does not flood a user's streams
# The newest changes are never compacted, so that clients that were away for a short time resume exactly.
MIN_KEPT: Final = 1_000
MAX_COMPACTED: Final = 10_000  # positions in one transaction; producers wait for the inbox meanwhile
MAX_INBOXES: Final = 500
CHUNK: Final = 5_000
# The listed notifications in two parts, each of which has an index.
_LISTED_PARTS: Final = (Notification.IN_LIST, Notification.ARCHIVED)


class Pruned(NamedTuple):
    """The numbers of rows that retention deleted from one inbox.

    Attributes:
        deleted: notifications that were deleted because of their age.
        compacted: changes that were removed from the log.
        removed: notifications and events that no change needed any more.
        was_busy: another transaction had locked the inbox; it is left to the next run.
    """

    deleted: int = 0
    compacted: int = 0
    removed: int = 0
    was_busy: bool = False

    def plus(self, other: Pruned) -> Pruned:
        """Return the sums of both."""
        return Pruned(
            self.deleted + other.deleted, self.compacted + other.compacted, self.removed + other.removed
        )


def inboxes_to_prune(cutoff: datetime, *, after: Any = None, limit: int = MAX_INBOXES) -> list[Any]:
    """Return the next users whose inbox has something to prune, in the order of their keys.

    One query, no lock.

    Args:
        cutoff: what is older is pruned.
        after: the last user of the part before; None for the first part.
        limit: the number of users at most.
    """
    # Positions and times ascend together, so the first row of each part says whether any of it is old.
    oldest = [
        Notification.objects.filter(part, recipient_id=OuterRef("pk"))
        .order_by("position")
        .values("created_at")[:1]
        for part in _LISTED_PARTS
    ]
    base = Change.objects.filter(inbox_id=OuterRef("pk"), position=OuterRef("floor") + 1, at__lt=cutoff)
    inboxes = Inbox.objects.annotate(
        oldest_listed=Subquery(oldest[0]), oldest_archived=Subquery(oldest[1])
    ).filter(
        Q(oldest_listed__lt=cutoff)
        | Q(oldest_archived__lt=cutoff)
        | Q(Exists(base), head__gt=F("floor") + MIN_KEPT)
    )
    if after is not None:
        inboxes = inboxes.filter(pk__gt=after)
    return list(inboxes.order_by("pk").values_list("pk", flat=True)[:limit])


def prune_inbox(user_id: Any, cutoff: datetime) -> Pruned:
    """Delete what is older than ``cutoff`` from one inbox, then compact its log up to there.

    Transaction: one for the deletions, announced by ``inbox_changed`` after its commit, and one for each
    ``MAX_COMPACTED`` positions. An inbox that somebody else has locked is left alone. Doing it again goes on.
    """
    with transaction.atomic():
        inboxes = lock_inboxes([user_id], skip_locked=True)
        if not inboxes:
            return Pruned(was_busy=True)
        pruned = Pruned(deleted=_delete(inboxes[user_id], cutoff))
    while (step := _compact(user_id, cutoff)) is not None:
        pruned = pruned.plus(step)
    return pruned


def _delete(inbox: Inbox, cutoff: datetime) -> int:
    old = Notification.objects.filter(recipient_id=inbox.pk, created_at__lt=cutoff).order_by("position")
    parts = [old.filter(part).values_list(*Listed._fields)[:MAX_DELETED] for part in _LISTED_PARTS]
    rows = in_order(Listed(*row) for part in parts for row in part)[:MAX_DELETED]
    batch = LogBatch({inbox.pk: inbox}, now=timezone.now())
    for listed in rows:
        batch.delete(listed, Reason.RETENTION, SYSTEM)
    announce_on_commit(batch.write())
    return len(rows)


@transaction.atomic
def _compact(user_id: Any, cutoff: datetime) -> Pruned | None:
    """Raise the floor by one step; None when it need not rise, or the inbox is locked."""
    inbox = lock_inboxes([user_id], skip_locked=True).get(user_id)
    if inbox is None:
        return None
    old = Change.objects.filter(
        inbox_id=user_id,
        at__lt=cutoff,
        position__gt=inbox.floor,
        position__lte=min(inbox.head - MIN_KEPT, inbox.floor + MAX_COMPACTED),
    )
    floor = old.order_by("-position").values_list("position", flat=True).first()
    if floor is None:
        return None
    with connection.cursor() as cursor:
        key = Inbox._meta.pk.get_db_prep_value(user_id, connection)
        cursor.execute(_with_table_names(_COMPACT), [key, floor])
        compacted = cursor.rowcount
    Inbox.objects.filter(pk=user_id).update(floor=floor)
    return Pruned(compacted=compacted, removed=_remove_unneeded(user_id))


def _remove_unneeded(user_id: Any) -> int:
    """Remove the deleted notifications of an inbox that no change refers to; return the number of rows.

    Their events are removed too, unless others need them.
    """
    unneeded = Notification.objects.filter(
        ~Exists(Change.objects.filter(notification_id=OuterRef("pk"))),
        recipient_id=user_id,
        position__isnull=False,
        deleted_at__isnull=False,
    )
    removed = 0
    while rows := list(unneeded.values_list("pk", "event_id")[:CHUNK]):
        keys = [pk for pk, _ in rows]
        ReplayedNotification.objects.filter(notification_id__in=keys).delete()
        Notification.objects.filter(pk__in=keys).delete()
        removed += len(rows) + _remove_orphans({event_id for _, event_id in rows})
    return removed


def prune_broadcasts(cutoff: datetime) -> int:
    """Remove the broadcasts that ended before ``cutoff``, with those of their events that nothing needs.

    Transaction: one for each ``MAX_INBOXES`` of them.

    Returns:
        How many rows were removed.
    """
    removed = 0
    ended = Broadcast.objects.filter(finished_at__lt=cutoff).order_by("finished_at")
    while rows := dict(ended.values_list("pk", "event_id")[:MAX_INBOXES]):
        with transaction.atomic():
            Broadcast.objects.filter(pk__in=rows).delete()
            removed += len(rows) + _remove_orphans(set(rows.values()))
    return removed


def _remove_orphans(event_ids: Collection[int]) -> int:
    orphans = Event.objects.filter(
        ~Exists(Notification.objects.filter(event_id=OuterRef("pk"))),
        ~Exists(Change.objects.filter(event_id=OuterRef("pk"))),
        ~Exists(Broadcast.objects.filter(event_id=OuterRef("pk"))),
        pk__in=event_ids,
    )
    return orphans.delete()[0]


# It deletes all changes of a notification but the last, the last one too if it is the deletion, and each
# all-read that was not the first to take along a notification that stays. It selects them by `IN`, and over
# small sets that are made once: with `NOT IN` over all of them PostgreSQL took 99 s for 90,000 changes
# instead of 3 s.
_COMPACT: Final = f"""
    DELETE FROM {{change}} WHERE id IN (
        WITH base AS MATERIALIZED (
            SELECT c.id, c.position, c.kind, c.read_at, c.created_position, c.up_to, c.read_category,
                   n.category,
                   row_number() OVER (PARTITION BY c.notification_id ORDER BY c.position DESC) AS age
            FROM {{change}} c LEFT JOIN {{notification}} n ON n.id = c.notification_id
            WHERE c.inbox_id = %s AND c.position <= %s
        ), all_read AS MATERIALIZED (
            SELECT position, up_to, read_category FROM base WHERE kind IN {sql_kinds(Carries.NOTHING)}
        ), unread AS MATERIALIZED (
            SELECT id, position, created_position, category FROM base
            WHERE age = 1 AND {sql_is_unread()}
        ), taken_along AS (
            SELECT min(r.position) AS position FROM unread u JOIN all_read r
                ON {sql_covers("r", "u", "u.category")}
            GROUP BY u.id
        )
        SELECT id FROM base
        WHERE kind IN {sql_kinds(Carries.ID)} OR kind IN {sql_kinds(Carries.OBJECT)} AND age > 1
        UNION ALL
        SELECT b.id FROM base b
            LEFT JOIN (SELECT DISTINCT position FROM taken_along) t ON t.position = b.position
        WHERE b.kind IN {sql_kinds(Carries.NOTHING)} AND t.position IS NULL
    )"""  # noqa: S608 (no input)


def _with_table_names(statement: str) -> str:
    return statement.format(change=table(Change), notification=table(Notification))
