"""Replays, a chunk at a time, in whichever process comes first: each chunk is one transaction, under the
lease of the job (``leases``).
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

# Keys that one look for the next chunk goes over: a filter that admits few must not outlast the lease.
WINDOW: Final = 50_000
LOOK_SECONDS: Final = 1.0
_GONE: Final = "Whoever asked for it may no longer replay."


class Original(NamedTuple):
    """A notification that is to be replayed."""

    id: int
    public_id: UUID
    recipient_id: Any
    event_id: int
    collapse_key: str
    deleted_at: datetime | None


def run_replay_chunk(replay_id: UUID | None = None) -> bool:
    """Do one chunk of the replay that has waited longest, or of a certain one.

    Transaction: one to take the lease, one for the chunk, and those of the sequencer; must not be called
    inside another. A chunk that fails is tried one by one; what fails alone is logged and counted, and a
    chunk of several of which nothing can be replayed ends the replay as failed.

    Returns:
        Whether there was one; call again until there is none.

    Raises:
        OperationalError: the database is away, or a lock was not had in time; the replay goes on later.
    """
    jobs = Replay.objects.all()
    return leases.run_chunk(jobs if replay_id is None else jobs.filter(pk=replay_id), _run_chunk)


def _run_chunk(job: Replay) -> None:
    # With the permission backends' cache empty: as it is now.
    owner = (
        get_user_model()._default_manager.filter(pk=job.owner_id).first()
        if job.owner_id is not None
        else None
    )
    if owner is None or not owner.has_perm(permissions.REPLAY):
        _end(job, JobState.FAILED, _GONE)
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
    """The next of them, and up to where nothing was passed over."""
    size = max(1, hub_config().max_sequence_chunk // max(1, len(job.copy_to)))
    found = Selection.stored_in(job).rows(owner).order_by("pk")
    window = job.until_id if job.ids else WINDOW
    last, until = job.last_id, time.monotonic() + LOOK_SECONDS
    while True:
        end = min(last + window, job.until_id)
        part = found.filter(pk__gt=last, pk__lte=end)
        rows = [Original(*row) for row in part.values_list(*Original._fields)[:size]]
        if len(rows) == size:
            return rows, rows[-1].id
        if rows or end == job.until_id or time.monotonic() > until:
            return rows, end
        # On to the next key there is: before the oldest, and where rows were pruned, there may be millions of
        # none.
        there = Notification.objects.filter(pk__gt=end, pk__lte=job.until_id).order_by("pk")
        last = (there.values_list("pk", flat=True).first() or job.until_id + 1) - 1


def _replay(job: Replay, rows: Sequence[Original], last: int, *, keep_lease: bool = False) -> None:
    """Replay these and write that it was done, in one transaction; what is new is sequenced after it.

    Raises:
        LeaseLost: meanwhile it was cancelled, or the lease ran out.
    """
    named = Notification.objects.filter(pk__in=[row.id for row in rows])
    fit = set(replayable(job.verb, named).values_list("pk", flat=True)) if rows else set()
    with transaction.atomic():
        taken = _VERBS[ReplayVerb(job.verb)](job, [row for row in rows if row.id in fit]) if fit else []
        insert_rows(
            ReplayedNotification, ("replay_id", "notification_id"), [(job.pk, row.id) for row in taken]
        )
        _advance(
            job,
            last,
            keep_lease=keep_lease,
            done_count=F("done_count") + len(taken),
            skipped_count=F("skipped_count") + len(rows) - len(taken),
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


# --- the verbs: each returns those of which something has become
# -------------------------------------------------------


def _show(job: Replay, rows: Sequence[Original]) -> Sequence[Original]:
    shows = [(row.recipient_id, row.id) for row in rows]
    told = partial(notifications_shown_again.send_robust, sender=Notification, shows=shows)
    transaction.on_commit(told, robust=True)
    return rows


def _redeliver(job: Replay, rows: Sequence[Original]) -> Sequence[Original]:
    # What is no longer listed may have a successor under its collapse key; that one stays.
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
    known = Notification.objects.filter(event_id__in=first_of, recipient_id__in=users)
    has = set(known.values_list("event_id", "recipient_id"))
    wanted = [
        (user_id, event_id, "", None)
        for event_id in first_of
        for user_id in users
        if (event_id, user_id) not in has
    ]
    _store(job, wanted)
    return [first_of[event_id] for event_id in dict.fromkeys(event_id for _, event_id, *_ in wanted)]


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
