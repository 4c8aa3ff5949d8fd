"""Send broadcasts a chunk at a time, in any process that serves.

Each chunk is one transaction, under the lease of the job.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from notifications.conf import hub_config
from notifications.inbox_log.direct_listing import list_directly
from notifications.inbox_log.sequencer import sequence_on_commit
from notifications.models import Broadcast, BroadcastRecipient, JobState, Notification, new_public_id
from notifications.services.broadcast import end_broadcasts
from notifications.services.jobs import leases
from notifications.services.jobs.leases import UNAVAILABLE, LeaseLost, release_lease
from notifications.services.recipients import matching_users
from notifications.sql.rows import insert_rows

logger = logging.getLogger(__name__)


def run_broadcast_chunk(broadcast_id: UUID | None = None) -> bool:
    """Send one chunk of the broadcast that has waited longest, or of a given one.

    Transaction: one to take the lease, one for the chunk, and those of the sequencer; must not be called
    inside another. A chunk that fails is tried again, then recipient by recipient. A recipient who cannot
    be notified is logged and counted. A chunk of several recipients of whom none can be notified ends the
    broadcast as failed.

    Returns:
        Whether there was a broadcast to send; call again until there is none.

    Raises:
        OperationalError: the database is out of reach, or a lock was not had in time; the broadcast goes on
            later.
    """
    jobs = Broadcast.objects.all()
    return leases.run_chunk(jobs if broadcast_id is None else jobs.filter(pk=broadcast_id), _run_chunk)


def _run_chunk(job: Broadcast) -> None:
    keys = _next_keys(job)
    if not keys:
        end_broadcasts([job.pk], JobState.DONE, condition=Q(lease=job.lease))
        return
    try:
        _send(job, keys)
    except (LeaseLost, *UNAVAILABLE):
        raise
    except Exception:
        logger.warning("A chunk of broadcast %s failed and is tried again", job.pk, exc_info=True)
        _run_chunk_again(job)


def _run_chunk_again(job: Broadcast) -> None:
    """Try a chunk again, then recipient by recipient; a user deleted in between is not found this time."""
    keys = _next_keys(job)
    try:
        if keys:
            _send(job, keys)
    except (LeaseLost, *UNAVAILABLE):
        raise
    except Exception:
        logger.warning("It failed again, so each of the %d recipients is tried", len(keys), exc_info=True)
        _send_singly(job, keys)


def _send_singly(job: Broadcast, keys: Sequence[Any]) -> None:
    failures: list[str] = []
    for key in keys:
        try:
            _send(job, [key], keep_lease=True)
        except (LeaseLost, *UNAVAILABLE):
            raise
        except Exception as error:
            logger.exception("Broadcast %s cannot notify user %s", job.pk, key)
            failures.append(str(error))
            _advance(job, key, failed_count=1, keep_lease=True)
            job.last_recipient_id = key
    if len(failures) == len(keys) > 1:
        end_broadcasts([job.pk], JobState.FAILED, failure=failures[0], condition=Q(lease=job.lease))
    release_lease(job)


def _next_keys(job: Broadcast) -> list[Any]:
    named = BroadcastRecipient.objects.filter(broadcast_id=job.pk)
    if job.last_recipient_id is not None:
        named = named.filter(user_id__gt=job.last_recipient_id)
    recipients = matching_users(
        Q(pk__in=named.values("user_id")),
        group_ids=job.group_ids,
        everyone=job.to_everyone,
        after=job.last_recipient_id,
    )
    return list(recipients.values_list("pk", flat=True)[: hub_config().max_sequence_chunk])


def _send(job: Broadcast, keys: Sequence[Any], *, keep_lease: bool = False) -> None:
    """Notify these users and write the progress, in one transaction; they are sequenced after it.

    Raises:
        LeaseLost: the broadcast was cancelled meanwhile, or the lease ran out.
    """
    with transaction.atomic():
        _store(job, keys)
        _advance(job, keys[-1], done_count=len(keys), keep_lease=keep_lease)
    job.last_recipient_id = keys[-1]  # not before the commit, which may fail


def _store(job: Broadcast, keys: Sequence[Any]) -> None:
    """List the notification at once where that is possible; else stage it, and sequence it on commit."""
    is_due = job.deliver_at is None or job.deliver_at <= timezone.now()
    if is_due and not job.collapse_key:
        listed = list_directly(job.event, keys)
        keys = [key for key in keys if key not in listed]
    insert_rows(
        Notification,
        ("public_id", "recipient_id", "event_id", "collapse_key", "deliver_at"),
        [(new_public_id(), key, job.event_id, job.collapse_key, job.deliver_at) for key in keys],
    )
    if is_due and keys:
        sequence_on_commit(keys)


def _advance(
    job: Broadcast, last: Any, *, done_count: int = 0, failed_count: int = 0, keep_lease: bool = False
) -> None:
    """Write how far the broadcast is. Raises ``LeaseLost``."""
    leases.write_progress(
        job,
        keep_lease=keep_lease,
        expected={"last_recipient": job.last_recipient_id},
        last_recipient=last,
        done_count=F("done_count") + done_count,
        failed_count=F("failed_count") + failed_count,
        # Users who were created since then may make it more than were counted at the start.
        total_count=Greatest(
            F("total_count"), F("done_count") + F("failed_count") + done_count + failed_count
        ),
    )
