"""Sends broadcasts, a chunk at a time, in whichever process comes first: each chunk is one transaction.

Whoever works on a broadcast holds its lease. What a chunk wrote counts only if the lease is still theirs at its end: the
transaction that notifies also writes how far it is, under that condition, so a process that was killed, stopped or slow can
neither lose a recipient nor notify one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from notifications.conf import hub_config
from notifications.models import Broadcast, BroadcastRecipient, BroadcastState, Notification, new_public_id
from notifications.services.broadcast import end_broadcasts
from notifications.services.recipients import matching_users
from notifications.services.rows import insert_rows
from notifications.services.sequence import sequence_on_commit

logger = logging.getLogger(__name__)


# The database is away, or a lock was not had in time: no fault of the broadcast, nor of anybody in it.
_UNAVAILABLE: Final = (OperationalError, InterfaceError)


class LeaseLost(Exception):
    """Somebody else has the broadcast now, or it was cancelled; what was being written is rolled back."""


def run_broadcast_chunk() -> bool:
    """Send one chunk of the broadcast that has waited longest.

    Transaction: one to take the lease, one for the chunk, and those of the sequencer; must not be called inside another.
    A chunk that fails is tried again, then recipient by recipient; one who cannot be notified is logged and counted, and
    a chunk of several of whom nobody can be ends the broadcast as failed.

    Returns:
        Whether there was one; call again until there is none.

    Raises:
        OperationalError: the database is away, or a lock was not had in time; the broadcast goes on later.
    """
    job = _take_lease()
    if job is None:
        return False
    try:
        _run_chunk(job)
    except LeaseLost:
        logger.info("Broadcast %s was cancelled, or another process has it now", job.pk)
    except _UNAVAILABLE:
        with suppress(*_UNAVAILABLE):
            _release(job)
        raise
    return True


def _take_lease() -> Broadcast | None:
    """The broadcast whose turn it is, leased; None when there is none. One query, no lock, when nothing waits."""
    waiting = (
        Broadcast.objects.filter(Broadcast.LIVE)
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lte=Now()))
        .order_by("turn_at")
    )
    if not waiting.exists():
        return None
    can_skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        job = waiting.select_for_update(skip_locked=can_skip).first()
        if job is not None:
            job.lease = uuid4()
            Broadcast.objects.filter(pk=job.pk).update(
                state=BroadcastState.RUNNING,
                lease=job.lease,
                leased_until=_lease_end(),
                started_at=Coalesce("started_at", Now()),
            )
    return job


def _run_chunk(job: Broadcast) -> None:
    keys = _next_keys(job)
    if not keys:
        end_broadcasts([job.pk], BroadcastState.DONE, condition=Q(lease=job.lease))
        return
    try:
        _send(job, keys)
    except (LeaseLost, *_UNAVAILABLE):
        raise
    except Exception:
        logger.warning("A chunk of broadcast %s failed and is tried again", job.pk, exc_info=True)
        _run_chunk_again(job)


def _run_chunk_again(job: Broadcast) -> None:
    """Whoever was deleted in that moment is not found this time; for any other reason go one by one."""
    keys = _next_keys(job)
    try:
        if keys:
            _send(job, keys)
    except (LeaseLost, *_UNAVAILABLE):
        raise
    except Exception:
        logger.warning("It failed again, so each of the %d recipients is tried", len(keys), exc_info=True)
        _send_singly(job, keys)


def _send_singly(job: Broadcast, keys: Sequence[Any]) -> None:
    failures: list[str] = []
    for key in keys:
        try:
            _send(job, [key], keep_lease=True)
        except (LeaseLost, *_UNAVAILABLE):
            raise
        except Exception as error:
            logger.exception("Broadcast %s cannot notify user %s", job.pk, key)
            failures.append(str(error))
            _advance(job, key, failed_count=1, keep_lease=True)
            job.last_recipient_id = key
    if len(failures) == len(keys) > 1:
        end_broadcasts([job.pk], BroadcastState.FAILED, failure=failures[0], condition=Q(lease=job.lease))
    _release(job)


def _next_keys(job: Broadcast) -> list[Any]:
    named = BroadcastRecipient.objects.filter(broadcast_id=job.pk)
    if job.last_recipient_id is not None:
        named = named.filter(user_id__gt=job.last_recipient_id)
    found = matching_users(
        Q(pk__in=named.values("user_id")),
        group_ids=job.group_ids,
        everyone=job.to_everyone,
        after=job.last_recipient_id,
    )
    return list(found.values_list("pk", flat=True)[: hub_config().max_sequence_chunk])


def _send(job: Broadcast, keys: Sequence[Any], *, keep_lease: bool = False) -> None:
    """Notify these users and write that it was done, in one transaction; they are sequenced after it.

    Raises:
        LeaseLost: meanwhile it was cancelled, or the lease ran out.
    """
    with transaction.atomic():
        _store(job, keys)
        _advance(job, keys[-1], done_count=len(keys), keep_lease=keep_lease)
    job.last_recipient_id = keys[-1]  # not before the commit, which may fail


def _store(job: Broadcast, keys: Sequence[Any]) -> None:
    insert_rows(
        Notification,
        ("public_id", "recipient_id", "event_id", "collapse_key", "deliver_at"),
        [(new_public_id(), key, job.event_id, job.collapse_key, job.deliver_at) for key in keys],
    )
    if job.deliver_at is None or job.deliver_at <= timezone.now():
        sequence_on_commit(keys)


def _advance(
    job: Broadcast, last: Any, *, done_count: int = 0, failed_count: int = 0, keep_lease: bool = False
) -> None:
    """Write how far the broadcast is. The last statement of its transaction: a cancellation waits for it and no longer."""
    held = Broadcast.objects.filter(
        pk=job.pk, state=BroadcastState.RUNNING, lease=job.lease, last_recipient=job.last_recipient_id
    )
    changed = held.update(
        last_recipient=last,
        done_count=F("done_count") + done_count,
        failed_count=F("failed_count") + failed_count,
        turn_at=Now(),
        lease=job.lease if keep_lease else None,
        leased_until=_lease_end() if keep_lease else None,
    )
    if not changed:
        raise LeaseLost


def _release(job: Broadcast) -> None:
    Broadcast.objects.filter(pk=job.pk, lease=job.lease).update(lease=None, leased_until=None, turn_at=Now())


def _lease_end() -> Any:
    return Now() + timedelta(seconds=hub_config().broadcast_lease_seconds)
