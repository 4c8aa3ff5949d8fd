"""Record serving processes and how far their streams are, and close the streams of a process that died.

Whoever changes several rows of one process's streams locks the process's own row first, so no two of them can
deadlock. A process is *lost* when it has shown no sign of life for ``worker_lost_seconds`` by the database's
clock; any other process then closes its streams. If it was only paused, it finds that out at its next sign of
life, and opens them again. A process that is known to be dead need not be waited for: its supervisor saw it
end, or a process that starts on the same machine finds that it does not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Now

from notifications.conf import hub_config
from notifications.models import EndReason, StreamSession, Worker
from notifications.services.records.streams import Progress
from notifications.sql.rows import update_rows
from notifications.system.processes import is_dead, machine

CHUNK: Final = 1_000  # rows in one statement
MAX_LOST: Final = 10  # processes in one run of the sweeper
MAX_HOST_LENGTH: Final = 255

_MAY_CLOSE: Final = Q(closed_at=None) | Q(reason=EndReason.LOST)


def write_sign_of_life(
    worker: Worker,
    *,
    progress: Mapping[UUID, Progress] | None = None,
    closed: Mapping[UUID, str] | None = None,
    is_whole: bool = True,
) -> bool:
    """Write a process's sign of life, how far its streams have come, and which of them have ended.

    A stream that somebody else has ended keeps their time and reason. Transaction: its own, short; must not
    be called inside another. One statement for the sign of life, one for each ``CHUNK`` of progress, one for
    each of the reasons.

    Args:
        worker: the process; its row is made when there is none.
        progress: of the streams that have moved, ended ones included.
        closed: the reasons of the streams that have ended.
        is_whole: ``progress`` has every stream that has moved. Then this is a sign of life, and ``seen_at``
            says as of when the record of the process's streams is; else it stays as it is.

    Returns:
        Whether the process was new or taken for lost: then ``reopen_streams`` has to follow.
    """
    with transaction.atomic():
        seen_at = Now() if is_whole else F("seen_at")
        is_known = Worker.objects.filter(pk=worker.pk, ended_at=None).update(seen_at=seen_at)
        if not is_known:
            _register(worker)
        rows = [(key, *values) for key, values in (progress or {}).items()]
        for part in _parts(rows):
            update_rows(StreamSession, ("id", "epoch", "start_position", "position"), part)
        for reason in set((closed or {}).values()):
            keys = [key for key, why in (closed or {}).items() if why == reason]
            for part in _parts(keys):
                _close(part, reason)
    return not is_known


def reopen_streams(worker: Worker, keys: Iterable[UUID]) -> int:
    """Open the streams of a living process again that were taken for lost; return the number.

    Transaction: its own, under the lock of the process's row. One statement for that, and one for each
    ``CHUNK``.

    Args:
        worker: the process.
        keys: the keys of all its streams that are open.
    """
    with transaction.atomic():
        Worker.objects.select_for_update().filter(pk=worker.pk).first()
        return sum(
            StreamSession.objects.filter(pk__in=part, reason=EndReason.LOST).update(
                closed_at=None, reason="", requested_end=""
            )
            for part in _parts(list(keys))
        )


def end_worker(worker: Worker) -> None:
    """Record that a process has stopped by itself; its streams have ended before. One statement."""
    Worker.objects.filter(pk=worker.pk).update(seen_at=Now(), ended_at=Now())


def close_lost_streams() -> int:
    """Close the streams of processes that are lost, as of their last sign of life; return the number.

    Transaction: its own; must not be called inside another. Any number of processes may do so at once. One
    statement when none is lost, else two, and two for each of them.
    """
    silence = timedelta(seconds=hub_config().worker_lost_seconds)
    return _close_streams_of(Worker.objects.filter(ended_at=None, seen_at__lte=Now() - silence))


def close_streams_of_process(identity: str) -> int:
    """Close the streams of one process that died, as of its last sign of life; return the number.

    Transaction and statements as for ``close_lost_streams``.

    Args:
        identity: the identity of the process (``notifications.system.processes``); nothing is done if it is
            empty.
    """
    return _close_streams_of(Worker.objects.filter(ended_at=None, process=identity)) if identity else 0


def close_streams_of_dead_processes() -> int:
    """Close the streams of every process of this machine that died; return the number.

    Transaction and statements as for ``close_lost_streams``, and one more.
    """
    here = Worker.objects.filter(ended_at=None, process__startswith=f"{machine()}:")
    dead = [key for key, process in here.values_list("pk", "process") if is_dead(process)]
    parts = (dead[start : start + MAX_LOST] for start in range(0, len(dead), MAX_LOST))
    return sum(_close_streams_of(Worker.objects.filter(ended_at=None, pk__in=part)) for part in parts)


def _close_streams_of(workers: QuerySet[Worker]) -> int:
    if not workers.exists():
        return 0
    with transaction.atomic():
        can_skip = connection.features.has_select_for_update_skip_locked
        done = 0
        for worker in workers.select_for_update(skip_locked=can_skip).order_by("pk")[:MAX_LOST]:
            done += StreamSession.objects.filter(StreamSession.OPEN, worker_id=worker.pk).update(
                closed_at=Greatest("opened_at", Value(worker.seen_at)),
                reason=EndReason.LOST,
                requested_end="",
            )
            Worker.objects.filter(pk=worker.pk).update(ended_at=F("seen_at"))
    return done


def remove_ended_workers(cutoff: datetime) -> int:
    """Remove the rows of processes that ended before a time; return the number. One statement.

    The records of their streams are removed by the same time, so no process goes before its streams.
    """
    return Worker.objects.filter(ended_at__lt=cutoff).delete()[0]


def _register(worker: Worker) -> None:
    Worker.objects.bulk_create(
        [
            Worker(
                pk=worker.pk,
                host=worker.host[:MAX_HOST_LENGTH],
                pid=worker.pid,
                process=worker.process,
                ended_at=None,
            )
        ],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["seen_at", "ended_at"],
    )


def _close(keys: list[UUID], reason: str) -> None:
    StreamSession.objects.filter(pk__in=keys).update(
        closed_at=Case(When(_MAY_CLOSE, then=Now()), default=F("closed_at")),
        reason=Case(When(_MAY_CLOSE, then=Value(reason)), default=F("reason")),
        requested_end="",
    )


def _parts(rows: list[Any]) -> Iterable[list[Any]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
