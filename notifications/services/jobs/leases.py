"""Lease jobs to processes, and write the progress of a job only while its lease is held.

The transaction that does a part of the work also writes how far the job is, on condition that the lease is
still held. So a process that was killed, stopped or slow can neither lose a part of the work nor do one
twice.
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

# The database cannot be reached, or a lock was not had in time; that is no fault of the job.
UNAVAILABLE: Final = (OperationalError, InterfaceError)

_Job = TypeVar("_Job", bound=Job)


class LeaseLost(Exception):
    """Another process has the job now, or it was cancelled; what was being written is rolled back."""


def run_chunk(jobs: QuerySet[_Job], run: Callable[[_Job], None]) -> bool:
    """Lease the job that has waited longest, and run a chunk of it.

    Args:
        jobs: the jobs to choose from.
        run: does the chunk, and raises ``LeaseLost`` when it finds that the job is no longer its own.

    Returns:
        Whether there was a job to run.

    Raises:
        OperationalError: the database is out of reach, or a lock was not had in time; the job goes on later.
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
    """Lease and return the job that has waited longest; None when none waits, after one query, no lock.

    Args:
        jobs: the jobs to choose from.
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
    """Write how far a job is, and keep its lease or give it back.

    It must be the last statement of its transaction: a cancellation waits for that to commit, and for no
    longer.

    Args:
        keep_lease: extend the lease; otherwise it is given back.
        expected: values of columns that the job must still have.
        values: values of columns to write.

    Raises:
        LeaseLost: the job was cancelled meanwhile, or the lease ran out.
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
    """Give the lease of a job back."""
    _rows(job).filter(pk=job.pk, lease=job.lease).update(lease=None, leased_until=None, last_worked_at=Now())


def end_jobs(
    jobs: QuerySet[_Job],
    ids: Collection[UUID],
    state: JobState,
    *,
    failure: str = "",
    condition: Q = Job.LIVE,
) -> int:
    """Write the end of some live jobs; return the number of jobs that were ended.

    Args:
        condition: only jobs that meet it are ended.
    """
    live = jobs.filter(condition, Job.LIVE, pk__in=ids)
    return live.update(state=state, finished_at=Now(), failure=failure[:500], lease=None, leased_until=None)


def _rows(job: Job) -> QuerySet[Any]:
    return type(job)._default_manager.all()


def _lease_end() -> Any:
    return Now() + timedelta(seconds=hub_config().broadcast_lease_seconds)
