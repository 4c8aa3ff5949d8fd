"""Who works on a job: its lease, taken in turn, and its progress, which counts only while the lease is held.

The transaction that does a part of the work also writes how far it is, on condition that the lease is still
held, so a process that was killed, stopped or slow can neither lose a part of the work nor do one twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from notifications.conf import hub_config
from notifications.models import Job, JobState

logger = logging.getLogger(__name__)

# The database is away, or a lock was not had in time: no fault of the job, nor of anything in it.
UNAVAILABLE: Final = (OperationalError, InterfaceError)

_Job = TypeVar("_Job", bound=Job)


class LeaseLost(Exception):
    """Somebody else has the job now, or it was cancelled; what was being written is rolled back."""


def run_chunk(jobs: QuerySet[_Job], run: Callable[[_Job], None]) -> bool:
    """Lease the job whose turn it is, and run a chunk of it.

    Args:
        jobs: those that come into question.
        run: does the chunk, and raises ``LeaseLost`` when it finds that the job is no longer its own.

    Returns:
        Whether there was one.

    Raises:
        OperationalError: the database is away, or a lock was not had in time; the job goes on later.
    """
    job = take_lease(jobs)
    if job is None:
        return False
    try:
        run(job)
    except LeaseLost:
        logger.info("%s %s was cancelled, or another process has it now", type(job).__name__, job.pk)
    except UNAVAILABLE:
        with suppress(*UNAVAILABLE):
            release_lease(job)
        raise
    return True


def take_lease(jobs: QuerySet[_Job]) -> _Job | None:
    """The job whose turn it is, leased; None when there is none. One query, no lock, when nothing waits.

    Args:
        jobs: those that come into question.
    """
    waiting = (
        jobs.filter(Job.LIVE)
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lte=Now()))
        .order_by("last_worked_at")
    )
    if not waiting.exists():
        return None
    can_skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        job = waiting.select_for_update(skip_locked=can_skip).first()
        if job is not None:
            job.lease = uuid4()
            _rows(job).filter(pk=job.pk).update(
                state=JobState.RUNNING,
                lease=job.lease,
                leased_until=_lease_end(),
                started_at=Coalesce("started_at", Now()),
            )
    return job


def write_progress(job: Job, *, keep_lease: bool = False, expected: dict[str, Any], **values: Any) -> None:
    """Write how far a job is. The last statement of its transaction: a cancellation waits for it and no
    longer.

    Args:
        keep_lease: go on; else it is given back.
        expected: where the job must still be.
        values: what is written, by the names of the columns.

    Raises:
        LeaseLost: meanwhile it was cancelled, or the lease ran out.
    """
    leased = _rows(job).filter(pk=job.pk, state=JobState.RUNNING, lease=job.lease, **expected)
    changed = leased.update(
        **values,
        last_worked_at=Now(),
        lease=job.lease if keep_lease else None,
        leased_until=_lease_end() if keep_lease else None,
    )
    if not changed:
        raise LeaseLost


def release_lease(job: Job) -> None:
    """Give the lease back."""
    _rows(job).filter(pk=job.pk, lease=job.lease).update(lease=None, leased_until=None, last_worked_at=Now())


def end_jobs(
    jobs: QuerySet[_Job],
    ids: Collection[UUID],
    state: JobState,
    *,
    failure: str = "",
    condition: Q = Job.LIVE,
) -> int:
    """Write the end of some live jobs; how many there were.

    Args:
        condition: leaves out those of which it does not hold.
    """
    live = jobs.filter(condition, Job.LIVE, pk__in=ids)
    return live.update(state=state, finished_at=Now(), failure=failure[:500], lease=None, leased_until=None)


def _rows(job: Job) -> QuerySet[Any]:
    return type(job)._default_manager.all()


def _lease_end() -> Any:
    return Now() + timedelta(seconds=hub_config().broadcast_lease_seconds)
