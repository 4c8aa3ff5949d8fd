"""Queue and cancel broadcasts; ``services.jobs.broadcaster`` sends them, outside of any request."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import islice
from typing import Any, Final, Unpack
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from notifications.event_types import EventType, UntypedEvent
from notifications.exceptions import InvalidInput, NotFound
from notifications.inbox_log.content import build_event, check_schedule, text_errors
from notifications.models import Broadcast, BroadcastRecipient, Event, JobState
from notifications.selectors.users import check_users_exist
from notifications.services.jobs import leases
from notifications.services.notify import ContentOptions, recipient_key
from notifications.services.recipients import Recipients
from notifications.sql.rows import insert_rows

CHUNK: Final = 5_000


def broadcast(
    to: Recipients,
    event: EventType | UntypedEvent,
    *,
    title: Any,
    collapse_key: str = "",
    deliver_at: datetime | None = None,
    owner: Any = None,
    **content: Unpack[ContentOptions],
) -> Broadcast:
    """Notify very many users of one event, outside the caller's request.

    Transaction: the broadcast is part of the caller's transaction. Once that has committed, the processes
    that serve send it, in transactions of at most ``max_sequence_chunk`` recipients each; the first of them
    begins within ``sweep_seconds``.
    Guarantee: each recipient is notified once, whatever is killed meanwhile. Who belongs to the groups, and
    who is active, is decided when the broadcast reaches that user; a user who is created meanwhile may be
    left out.

    Args:
        to: its recipients.
        owner: the user who may look at its progress and cancel it through the REST interface, or their
            primary key.
        event: what happened; this and all others as for ``notify``.

    Returns:
        The queued broadcast; ``total_count`` is the number of its recipients now.

    Raises:
        InvalidInput: one entry for each bad field.
        NotificationTooLarge: over 64 KiB.
        UnknownEventType: the registry is strict and does not know the type.
    """
    row = build_event(event, title=title, **content)
    check_schedule(deliver_at, row.expires_at)
    if errors := text_errors({"collapse_key": collapse_key}):
        raise InvalidInput(errors)
    owner_id = None if owner is None else recipient_key(owner)
    if owner_id is not None:
        check_users_exist([owner_id], field="owner")
    return start_broadcast(row, to, owner_id=owner_id, collapse_key=collapse_key, deliver_at=deliver_at)


def start_broadcast(
    event: Event,
    to: Recipients,
    *,
    owner_id: Any = None,
    collapse_key: str = "",
    deliver_at: datetime | None = None,
) -> Broadcast:
    """Queue an event that has been checked, but not saved. Transaction and arguments as for ``broadcast``."""
    job = Broadcast(
        owner_id=owner_id,
        to_everyone=to.everyone,
        group_ids=list(to.groups),
        collapse_key=collapse_key,
        deliver_at=deliver_at,
        total_count=to.count(),
    )
    with transaction.atomic():
        event.save(force_insert=True)
        job.event = event
        job.save(force_insert=True)
        keys = iter(to.users)
        while part := list(islice(keys, CHUNK)):
            insert_rows(BroadcastRecipient, ("user_id", "broadcast_id"), [(key, job.pk) for key in part])
    return job


def cancel_broadcast(broadcast_id: UUID, *, owner_id: Any = None) -> Broadcast:
    """End a broadcast where it is; the notifications that were sent stay.

    A broadcast that has ended already stays as it is.

    Args:
        owner_id: only if the broadcast is this user's.

    Returns:
        The broadcast as it is now.

    Raises:
        NotFound: there is no broadcast of this id, or it is not the owner's.
    """
    broadcasts = Broadcast.objects.filter(pk=broadcast_id)
    if owner_id is not None:
        broadcasts = broadcasts.filter(owner_id=owner_id)
    _cancel(broadcasts)
    job = broadcasts.first()
    if job is None:
        raise NotFound("There is no such job.")
    return job


def cancel_broadcasts_of(event_ids: Collection[int]) -> int:
    """End the broadcasts of some events; return how many were still under way."""
    return _cancel(Broadcast.objects.filter(event_id__in=event_ids))


def _cancel(broadcasts: QuerySet[Broadcast]) -> int:
    live = list(broadcasts.filter(Broadcast.LIVE).values_list("pk", flat=True))
    return end_broadcasts(live, JobState.CANCELLED) if live else 0


@transaction.atomic
def end_broadcasts(
    ids: Collection[UUID], state: JobState, *, failure: str = "", condition: Q = Broadcast.LIVE
) -> int:
    """Write the end of some live broadcasts, and remove the rows that name their recipients.

    Args:
        condition: only broadcasts that meet it are ended.

    Returns:
        The number of broadcasts that were ended.
    """
    ended = leases.end_jobs(Broadcast.objects.all(), ids, state, failure=failure, condition=condition)
    if ended:
        BroadcastRecipient.objects.filter(broadcast_id__in=ids, broadcast__finished_at__isnull=False).delete()
    return ended
