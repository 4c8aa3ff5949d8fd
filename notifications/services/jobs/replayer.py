"""Run replays a chunk at a time, in any process that serves.

Each chunk is one transaction, under the lease of the job (``leases``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q

from notifications import permissions
from notifications.conf import hub_config
from notifications.inbox_log.sequencer import sequence_on_commit
from notifications.models import (
    Inbox,
    JobState,
    Notification,
    Replay,
    ReplayedNotification,
    ReplayVerb,
    new_public_id,
)
from notifications.services.jobs import leases
from notifications.services.jobs.leases import UNAVAILABLE, LeaseLost
from notifications.services.recipients import active_users
from notifications.services.replay import Selection, replayable
from notifications.signals import notifications_shown_again
from notifications.sql.rows import insert_rows

logger = logging.getLogger(__name__)

# The keys that one query for the next chunk goes over: a filter that admits few must not outlast the lease.
WINDOW: Final = 50_000
SEARCH_SECONDS: Final = 1.0
_OWNER_MAY_NOT_REPLAY: Final = "Whoever asked for it may no longer replay."


class Original(NamedTuple):
    """A notification that is to be replayed."""

    id: int
    public_id: UUID
    recipient_id: Any
    event_id: int
    collapse_key: str
    deleted_at: datetime | None


def run_replay_chunk(replay_id: UUID | None = None) -> bool:
    """Run one chunk of the replay that has waited longest, or of a given one.

    Transaction: one to take the lease, one for the chunk, and those of the sequencer; must not be called
    inside another. A chunk that fails is tried one by one. A notification that fails alone is logged and
    counted. A chunk of several notifications of which none can be replayed ends the replay as failed.

    Returns:
        Whether there was a replay to run; call again until there is none.

    Raises:
        OperationalError: the database is out of reach, or a lock was not had in time; the replay goes on
            later.
    """
    jobs = Replay.objects.all()
    return leases.run_chunk(jobs if replay_id is None else jobs.filter(pk=replay_id), _run_chunk)


def _run_chunk(job: Replay) -> None:
    # Read anew, so that permission backends have cached nothing and the permission is checked as it is now.
    owner = (
        get_user_model()._default_manager.filter(pk=job.owner_id).first()
        if job.owner_id is not None
        else None
    )
    if owner is None or not owner.has_perm(permissions.REPLAY):
        _end(job, JobState.FAILED, _OWNER_MAY_NOT_REPLAY)
        return
    if job.last_id >= job.until_id:
        _end(job, JobState.DONE)
        return
    rows, last = _next_rows(job, owner)
    try:
        _replay(job, rows, last)
    except (LeaseLost, *UNAVAILABLE):
        raise
    except Exception:
        logger.warning("A chunk of replay %s failed, so that each one is tried", job.pk, exc_info=True)
        _replay_singly(job, rows, last)


def _replay_singly(job: Replay, rows: Sequence[Original], last: int) -> None:
    failures: list[str] = []
    for row in rows:
        try:
            _replay(job, [row], row.id, keep_lease=True)
        except (LeaseLost, *UNAVAILABLE):
            raise
        except Exception as error:
            logger.exception("Replay %s cannot take notification %s", job.pk, row.public_id)
            failures.append(f"{row.public_id}: {error}"[:500])
            _advance(job, row.id, keep_lease=True, failed_count=F("failed_count") + 1, failure=failures[0])
            job.last_id, job.failure = row.id, failures[0]
    if len(failures) == len(rows) > 1:
        _end(job, JobState.FAILED, failures[0])
        return
    _advance(job, last)


def _next_rows(job: Replay, owner: Any) -> tuple[list[Original], int]:
    """Return the next notifications, and the key up to which all have been considered."""
    size = max(1, hub_config().max_sequence_chunk // max(1, len(job.copy_to)))
    selected = Selection.stored_in(job).rows(owner).order_by("pk")
    window = job.until_id if job.ids else WINDOW
    last, deadline = job.last_id, time.monotonic() + SEARCH_SECONDS
    while True:
        end = min(last + window, job.until_id)
        part = selected.filter(pk__gt=last, pk__lte=end)
        rows = [Original(*row) for row in part.values_list(*Original._fields)[:size]]
        if len(rows) == size:
            return rows, rows[-1].id
        if rows or end == job.until_id or time.monotonic() > deadline:
            return rows, end
        # Go on at the next key that exists: below the oldest row, and where rows were pruned, there may be
        # millions of keys without one.
        later = Notification.objects.filter(pk__gt=end, pk__lte=job.until_id).order_by("pk")
        last = (later.values_list("pk", flat=True).first() or job.until_id + 1) - 1


def _replay(job: Replay, rows: Sequence[Original], last: int, *, keep_lease: bool = False) -> None:
    """Replay notifications and write the progress, in one transaction; new ones are sequenced after it.

    Raises:
        LeaseLost: the replay was cancelled meanwhile, or the lease ran out.
    """
    notifications = Notification.objects.filter(pk__in=[row.id for row in rows])
    replayable_ids = set(replayable(job.verb, notifications).values_list("pk", flat=True)) if rows else set()
    with transaction.atomic():
        replayed = (
            _VERBS[ReplayVerb(job.verb)](job, [row for row in rows if row.id in replayable_ids])
            if replayable_ids
            else []
        )
        insert_rows(
            ReplayedNotification, ("replay_id", "notification_id"), [(job.pk, row.id) for row in replayed]
        )
        _advance(
            job,
            last,
            keep_lease=keep_lease,
            done_count=F("done_count") + len(replayed),
            skipped_count=F("skipped_count") + len(rows) - len(replayed),
        )
    job.last_id = last  # not before the commit, which may fail


def _advance(job: Replay, last: int, *, keep_lease: bool = False, **written: Any) -> None:
    leases.write_progress(
        job, keep_lease=keep_lease, expected={"last_id": job.last_id}, last_id=last, **written
    )


def _end(job: Replay, state: JobState, failure: str = "") -> None:
    leases.end_jobs(
        Replay.objects.all(), [job.pk], state, failure=failure or job.failure, condition=Q(lease=job.lease)
    )


# The verbs. Each returns those notifications that it has replayed.


def _show(job: Replay, rows: Sequence[Original]) -> Sequence[Original]:
    shows = [(row.recipient_id, row.id) for row in rows]
    announce = partial(notifications_shown_again.send_robust, sender=Notification, shows=shows)
    transaction.on_commit(announce, robust=True)
    return rows


def _redeliver(job: Replay, rows: Sequence[Original]) -> Sequence[Original]:
    # A deleted notification may have a successor under its collapse key. Without the key, that one stays.
    _store(
        job,
        [
            (row.recipient_id, row.event_id, "" if row.deleted_at else row.collapse_key, row.public_id)
            for row in rows
        ],
    )
    return rows


def _copy(job: Replay, rows: Sequence[Original]) -> Sequence[Original]:
    keys = map(Inbox._meta.pk.to_python, job.copy_to)
    users = active_users().filter(pk__in=list(keys)).order_by("pk").values_list("pk", flat=True)
    first_of: dict[int, Original] = {}
    for row in rows:
        first_of.setdefault(row.event_id, row)
    existing = Notification.objects.filter(event_id__in=first_of, recipient_id__in=users)
    pairs = set(existing.values_list("event_id", "recipient_id"))
    copies = [
        (user_id, event_id, "", None)
        for event_id in first_of
        for user_id in users
        if (event_id, user_id) not in pairs
    ]
    _store(job, copies)
    return [first_of[event_id] for event_id in dict.fromkeys(event_id for _, event_id, *_ in copies)]


_VERBS: Final[dict[ReplayVerb, Callable[[Replay, Sequence[Original]], Sequence[Original]]]] = {
    ReplayVerb.SHOW: _show,
    ReplayVerb.REDELIVER: _redeliver,
    ReplayVerb.COPY: _copy,
}


def _store(job: Replay, rows: Sequence[tuple[Any, int, str, UUID | None]]) -> None:
    insert_rows(
        Notification,
        ("public_id", "recipient_id", "event_id", "collapse_key", "replay_of", "replay_id"),
        [(new_public_id(), *row, job.pk) for row in rows],
    )
    if rows:
        sequence_on_commit(row[0] for row in rows)
