"""Erase what notifications say, or a user with all that is theirs.

To erase content is to blank title, body, link, data, actor and actions. What is left says that there was a
notification of this type, and its positions stay.

An event that others were sent too keeps its content for them: the erased copies are pointed at a blank event
of the same type, and so are their changes. Whoever reads the log again, by a stream, a poll or the time
machine, finds the blank. What is listed is deleted (reason ``erased``), so that it goes from open pages; what
is staged is removed, and never seen.

A user is removed with all rows of the inbox, in chunks, because Django's collector would load every one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from notifications.inbox_log.append import Listed, LogBatch, in_order
from notifications.inbox_log.inboxes import (
    announce_on_commit,
    announce_streams_on_commit,
    ensure_inboxes,
    lock_inboxes,
)
from notifications.inbox_log.provenance import SYSTEM, Provenance
from notifications.models import (
    Broadcast,
    Change,
    Event,
    Inbox,
    Notification,
    Reason,
    ReplayedNotification,
    StreamSession,
)
from notifications.protocol.links import NO_ACTIONS
from notifications.services.notify import recipient_key
from notifications.services.records.streams import lock_workers_of
from notifications.services.withdraw import withdraw_events
from notifications.sql.rows import update_rows

CHUNK: Final = 500
USER_CHUNK: Final = 5_000  # rows of a user who is removed, in one statement
MAX_AT_ONCE: Final = 5_000  # notifications of one user in one call
BLANK: Final[dict[str, str]] = {
    "title": "", "body": "", "url": "", "actor": "", "actions": NO_ACTIONS, "data": "{}"
}  # fmt: skip
HAS_CONTENT: Final = ~Q(**BLANK)
# What a blank event takes over from the erased one; a column that is not named here counts as content.
_KEPT: Final = (
    "type", "category", "topic", "level", "expires_at", "source", "producer_id", "is_admitted", "created_at",
    "withdrawn_at", "withdrawn_by", "withdrawn_via", "withdrawn_address",
)  # fmt: skip


class Erased(NamedTuple):
    """The number of notifications that lost their content, and whether there are more to erase."""

    erased_count: int
    has_more: bool = False


def erase_notifications(user: Any, ids: Iterable[UUID], *, provenance: Provenance = SYSTEM) -> Erased:
    """Erase notifications of one user, and all others that this user has of the same events.

    Such others were delivered again, for example.

    Transaction: its own, or the caller's, under the lock of the inbox. Nine statements at most, whatever the
    number. Doing it again changes nothing.

    Args:
        user: the recipient, or its primary key.
        ids: public ids, some hundred at most; those of others are not touched.
        provenance: who makes the change, and by which way in.
    """
    user_id = recipient_key(user)
    own = Notification.objects.filter(recipient_id=user_id)
    full = own.filter(public_id__in=list(ids), event__in=Event.objects.filter(HAS_CONTENT))
    events = full.values_list("event_id", flat=True)
    return Erased(_erase(user_id, set(events), provenance))


def erase_inbox(user: Any, *, provenance: Provenance = SYSTEM) -> Erased:
    """Erase everything that a user was ever sent, 5,000 notifications in one call.

    Transaction: its own for each ``CHUNK``; must not be called inside another. Arguments as for
    ``erase_notifications``.
    """
    user_id = recipient_key(user)
    full = Event.objects.filter(HAS_CONTENT, notifications__recipient_id=user_id)
    done = 0
    while done < MAX_AT_ONCE:
        events = set(full.values_list("pk", flat=True)[:CHUNK])
        if not events:
            return Erased(done)
        done += _erase(user_id, events, provenance)
    return Erased(done, full.exists())


def erase_event(event_id: int, *, provenance: Provenance = SYSTEM) -> Erased:
    """Erase an event at all its recipients.

    Transaction: the caller's, or its own: from its commit on nobody is shown anything of it. After that its
    notifications are deleted, as when it is withdrawn, with the reason ``erased``. Doing it again
    changes nothing.

    Args:
        event_id: its primary key.
        provenance: who makes the change, and by which way in.
    """
    with transaction.atomic():
        count = withdraw_events([event_id], provenance=provenance)
        Event.objects.filter(pk=event_id).update(**BLANK)
    return Erased(count)


def erase_user(user_id: Any) -> None:
    """Remove a user's inbox with its log, its notifications and the records of its streams.

    Events that nobody else was sent are removed too.

    Transaction: the caller's; meant for ``pre_delete`` of the user, which it must precede because of the
    foreign keys.
    """
    with transaction.atomic():
        # First the log, which then no longer grows, then the user, whom nobody can refer to any more: what
        # commits in between would make the deletion fail by its foreign key.
        lock_inboxes([user_id])
        get_user_model()._base_manager.select_for_update().filter(pk=user_id).values_list("pk").first()
        lock_workers_of(StreamSession.objects.filter(StreamSession.OPEN, user_id=user_id))
        _delete_chunked(StreamSession, user_id=user_id)
        _delete_chunked(Change, inbox_id=user_id)
        while rows := list(
            Notification.objects.filter(recipient_id=user_id).values_list("pk", "event_id")[:USER_CHUNK]
        ):
            keys = [row[0] for row in rows]
            ReplayedNotification.objects.filter(notification_id__in=keys).delete()
            Notification.objects.filter(pk__in=keys).delete()
            orphans = Event.objects.filter(
                pk__in={row[1] for row in rows}, notifications__isnull=True, broadcasts__isnull=True
            )
            Event.objects.filter(pk__in=list(orphans.values_list("pk", flat=True))).delete()
        Inbox.objects.filter(pk=user_id).delete()
        announce_streams_on_commit([user_id])


def _erase(user_id: Any, event_ids: set[int], provenance: Provenance) -> int:
    """Erase some events for one user; return the number of notifications."""
    if not event_ids:
        return 0
    ensure_inboxes([user_id])
    with transaction.atomic():
        inboxes = lock_inboxes([user_id])
        rows = Notification.objects.filter(recipient_id=user_id, event_id__in=event_ids)
        staged, _ = rows.filter(Notification.STAGED).delete()
        listed = [Listed(*values) for values in rows.filter(Notification.LISTED).values_list(*Listed._fields)]
        blanks = _blanks(user_id, event_ids)
        Event.objects.filter(pk__in=event_ids - blanks.keys()).update(**BLANK)
        count = staged + rows.count()
        if blanks:
            _point_at_blanks(rows, blanks)
        batch = LogBatch(inboxes, now=timezone.now())
        for row in in_order(listed):
            batch.delete(
                row._replace(event_id=blanks.get(row.event_id, row.event_id)), Reason.ERASED, provenance
            )
        announce_on_commit(batch.write())
    return count


def _blanks(user_id: Any, event_ids: set[int]) -> dict[int, int]:
    """Create a blank event for each event that others were sent too, or still will be; return its key."""
    others = Notification.objects.filter(event=OuterRef("pk")).exclude(recipient_id=user_id)
    sending = Broadcast.objects.filter(Broadcast.LIVE, event=OuterRef("pk"))
    shared = list(Event.objects.filter(Exists(others) | Exists(sending), pk__in=event_ids))
    blanks = Event.objects.bulk_create(
        Event(**{name: getattr(event, name) for name in _KEPT}, **BLANK) for event in shared
    )
    return {event.pk: blank.pk for event, blank in zip(shared, blanks, strict=True)}


def _point_at_blanks(rows: QuerySet[Notification], blanks: dict[int, int]) -> None:
    """Point notifications and their changes at their blank events."""
    moved = rows.filter(event_id__in=blanks).values_list("pk", "event_id")
    pointed = [(key, blanks[event_id]) for key, event_id in moved]
    update_rows(Notification, ("id", "event_id"), pointed)
    of_notification = Notification.objects.filter(pk=OuterRef("notification_id")).values("event_id")
    changes = Change.objects.filter(notification_id__in=[key for key, _ in pointed])
    changes.update(event_id=Subquery(of_notification))


def _delete_chunked(model: Any, **condition: Any) -> None:
    while keys := list(model.objects.filter(**condition).values_list("pk", flat=True)[:USER_CHUNK]):
        model.objects.filter(pk__in=keys).delete()
