"""Withdraw events: mark them in the caller's transaction, and delete their notifications after the commit.

So a withdrawal is done whole or not at all, holds no inbox while its transaction lasts, and is finished by
the sweeper if the process dies. Notifications of a withdrawn event that are staged, scheduled or still being
sent are removed by the sequencer before anybody sees them.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from notifications.conf import hub_config
from notifications.event_types import check_name
from notifications.exceptions import InvalidInput
from notifications.filters import SubjectValues
from notifications.inbox_log.append import Listed, LogBatch
from notifications.inbox_log.content import text_errors
from notifications.inbox_log.inboxes import announce_on_commit, ensure_inboxes, lock_inboxes
from notifications.inbox_log.provenance import Provenance
from notifications.models import Event, Notification, Reason, Via
from notifications.services.broadcast import cancel_broadcasts_of
from notifications.services.publish import Producer

logger = logging.getLogger(__name__)

MAX_EVENTS: Final = 500  # in one query
MAX_ROWS: Final = 2_000  # notifications in one transaction
_WITHDRAWN_BY: Final = ("withdrawn_by", "withdrawn_via", "withdrawn_address")
_REMAINING: Final = Q(deleted_at__isnull=True, failed_at__isnull=True)


def withdraw(
    ids: Iterable[UUID] = (),
    *,
    topic: str = "",
    type_name: str = "",
    producer: Producer | None = None,
) -> int:
    """Delete events at every recipient (reason ``withdrawn``), scheduled ones before they are seen.

    Transaction: the caller's; if that is rolled back, nothing was withdrawn. Right after the commit the
    notifications are deleted, in chunks of some hundred inboxes. Guarantee: once committed all of them go; if
    the process dies, any serving process goes on within ``sweep_seconds``. Doing it again changes nothing.
    Three statements for some hundred events.

    Args:
        ids: public ids. Each stands for its event, and so for the notifications of its other recipients too.
        topic: instead of ids: all events of this topic and type.
        type_name: goes with ``topic``.
        producer: only what they sent, and within their limits; None for any sender.

    Returns:
        The number of notifications that are deleted.

    Raises:
        InvalidInput: neither ids, nor topic and type, or both; a topic or type that no event can have.
        OutsideLimits: the producer may not send this type or topic.
    """
    return _withdraw(_events_to_withdraw(list(ids), topic, type_name, producer), producer)


def withdraw_events(event_ids: Iterable[int], *, provenance: Provenance) -> int:
    """Delete events at every recipient, also events that have none yet.

    Transaction, guarantee and answer as for ``withdraw``.

    Args:
        event_ids: primary keys; those that were withdrawn before are left as they are.
        provenance: who withdraws them and by which way in, for the log of changes.
    """
    events = Event.objects.filter(pk__in=list(event_ids), withdrawn_at__isnull=True)
    return _withdraw(events, None, provenance)


def _withdraw(
    events: QuerySet[Event], producer: Producer | None, provenance: Provenance | None = None
) -> int:
    by: dict[str, Any] = {}
    if provenance is not None:
        by = {
            "withdrawn_by": provenance.by,
            "withdrawn_via": provenance.via,
            "withdrawn_address": provenance.address,
        }
    with transaction.atomic():
        # In the order of their keys, so that two withdrawals cannot deadlock.
        rows = events.select_for_update(no_key=True).order_by("pk")
        keys = [
            key
            for key, event_type, event_topic in rows.values_list("pk", "type", "topic")
            if producer is None or producer.limits.admits(SubjectValues(event_type, event_topic))
        ]
        count, now = 0, timezone.now()
        for part in _parts(keys):
            count += Notification.objects.filter(_REMAINING, event_id__in=part).count()
            Event.objects.filter(pk__in=part).update(withdrawn_at=now, is_withdrawing=True, **by)
            cancel_broadcasts_of(part)
        if keys:
            _finish_on_commit(keys)
    return count


def _finish_on_commit(keys: Sequence[int]) -> None:
    def finish() -> None:  # Django names a hook that fails, and a partial has no name
        _finish(keys, skip_locked=False)

    transaction.on_commit(finish, robust=True)


def _events_to_withdraw(
    ids: Collection[UUID], topic: str, type_name: str, producer: Producer | None
) -> QuerySet[Event]:
    """Return the events that ``withdraw`` is to delete; raises as that does.

    The producer's limits have still to be checked for each of them.
    """
    if bool(ids) == bool(topic or type_name) or bool(topic) != bool(type_name):
        raise InvalidInput({"ids": "give either ids, or topic and type"})
    events = Event.objects.filter(withdrawn_at__isnull=True)
    if producer is not None:
        events = events.filter(producer_id=producer.user_id)
    if ids:
        return events.filter(pk__in=Notification.objects.filter(public_id__in=ids).values("event_id"))
    _check_possible(topic, type_name)
    if producer is not None:
        producer.check_within_limits(type_name, topic)
    return events.filter(topic=topic, type=type_name)


def _check_possible(topic: str, type_name: str) -> None:
    """Refuse a topic or type that no event can have: "nothing was withdrawn" would hide such a mistake."""
    errors = text_errors({"topic": topic})
    try:
        check_name(type_name)
    except InvalidInput as error:
        errors |= error.errors
    if errors:
        raise InvalidInput(errors)


def finish_withdrawals() -> int:
    """Delete the notifications of withdrawn events that are still there; for the sweeper.

    One query when there are none.

    Transaction: several short ones; must not be called inside another. Inboxes that somebody else has locked
    are left for the next run.

    Returns:
        How many notifications were deleted.
    """
    keys = Event.objects.filter(is_withdrawing=True).order_by("pk").values_list("pk", flat=True)
    return _finish(list(keys[:MAX_EVENTS]), skip_locked=True)


def _finish(event_ids: Sequence[int], *, skip_locked: bool) -> int:
    done = 0
    for part in _parts(event_ids):
        try:
            deleted, was_busy = _delete_all(part, skip_locked=skip_locked)
            done += deleted
            if not was_busy:
                Event.objects.filter(pk__in=part, is_withdrawing=True).update(is_withdrawing=False)
        except OperationalError:
            logger.warning("Some inboxes could not be locked in time; the sweeper has them", exc_info=True)
            break
    return done


def _delete_all(event_ids: Collection[int], *, skip_locked: bool) -> tuple[int, bool]:
    """Delete in user order; return the number of notifications, and whether an inbox was left out."""
    remaining = Notification.objects.filter(_REMAINING, event_id__in=event_ids).order_by("recipient_id")
    recipients = remaining.values_list("recipient_id", flat=True).distinct()
    done, was_busy = 0, False
    user_ids = list(recipients[: hub_config().max_sequence_chunk])
    while user_ids:
        ensure_inboxes(user_ids)
        while True:
            with transaction.atomic():
                inboxes = lock_inboxes(user_ids, skip_locked=skip_locked)
                count = _delete(inboxes, event_ids)
            done += count
            if count < MAX_ROWS:
                break
        was_busy = was_busy or len(inboxes) < len(user_ids)
        user_ids = list(recipients.filter(recipient_id__gt=user_ids[-1])[: hub_config().max_sequence_chunk])
    return done, was_busy


def _delete(inboxes: dict[Any, Any], event_ids: Collection[int]) -> int:
    rows = Notification.objects.filter(_REMAINING, recipient_id__in=inboxes, event_id__in=event_ids)
    # Under the inbox lock nothing staged can be sequenced.
    staged, _ = rows.filter(position__isnull=True).delete()
    listed = rows.filter(position__isnull=False).order_by("recipient_id", "position")
    batch = LogBatch(inboxes, now=timezone.now())
    events = Event.objects.filter(pk__in=event_ids)
    reasons = {
        event.pk: _reason_and_provenance(event) for event in events.only("source", "title", *_WITHDRAWN_BY)
    }
    rows_to_delete = [Listed(*row) for row in listed.values_list(*Listed._fields)[:MAX_ROWS]]
    for row in rows_to_delete:
        batch.delete(row, *reasons[row.event_id])
    announce_on_commit(batch.write())
    return staged + len(rows_to_delete)


def _reason_and_provenance(event: Event) -> tuple[Reason, Provenance]:
    """Return why the notifications of a withdrawn event are deleted, and by whom."""
    if event.withdrawn_via:
        provenance = Provenance(
            by=event.withdrawn_by, via=event.withdrawn_via, address=event.withdrawn_address
        )
    elif event.title:
        provenance = Provenance(by=event.source, via=Via.PRODUCER)
    else:
        provenance = Provenance(via=Via.ADMIN)
    # An erased event is deleted in the same way. It has no title any more, and staff erased it, even if a
    # producer had begun to withdraw it.
    return (Reason.WITHDRAWN if event.title else Reason.ERASED), provenance


def _parts(event_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (event_ids[start : start + MAX_EVENTS] for start in range(0, len(event_ids), MAX_EVENTS))
