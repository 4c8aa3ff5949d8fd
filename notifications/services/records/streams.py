"""Records of streams: how they are ended, and removed when they are old.

They are opened in ``services.records.stream_slots``. Everything else about the rows is bookkeeping
(``services.records.workers``): no stream ever waits for it, or fails with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from notifications.inbox_log.inboxes import announce_streams_on_commit
from notifications.models import EndReason, StreamSession, Worker

MAX_REMOVED: Final = 500  # rows in one sweep


class Progress(NamedTuple):
    """How far a stream has come: everything after ``start`` and up to ``position`` was written to it."""

    epoch: str
    start: int
    position: int


def end_streams(keys: Iterable[UUID], reason: EndReason, *, user_id: Any = None) -> int:
    """End open streams, whichever process serves them: their slots are free, and after the commit every
    process is told to look.

    Transaction: the caller's, or its own. Three statements at most. A stream that has ended already stays as
    it is.

    Args:
        keys: of the streams.
        reason: what ``stream.close`` will say.
        user_id: only those of this user; None for anybody's.

    Returns:
        How many were ended.
    """
    rows = StreamSession.objects.filter(StreamSession.OPEN, pk__in=list(keys))
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    with transaction.atomic():
        lock_workers_of(rows)
        found = dict(rows.values_list("pk", "user_id"))
        if found:
            _end(StreamSession.objects.filter(pk__in=found), reason)
            announce_streams_on_commit(set(found.values()))
    return len(found)


def end_streams_of_session(user_id: Any, session_key: str) -> int:
    """End the streams that a session of a user opened, because it logs out: their clients do not come back.

    A session that ends in any other way is found to be gone later; then the browser's cookie decides
    (``streaming.process.credential_validity``).

    Transaction: as for ``end_streams``; one statement where there are none.

    Args:
        user_id: primary key of the user.
        session_key: of the session.

    Returns:
        How many were ended.
    """
    rows = StreamSession.objects.filter(
        StreamSession.OPEN, user_id=user_id, session_digest=session_digest(session_key)
    )
    keys = list(rows.values_list("pk", flat=True))
    return end_streams(keys, EndReason.REVOKED) if keys else 0


def session_digest(session_key: str | None) -> str:
    """What finds the streams of a session. Its key is random, so no key can be found by trying."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:32] if session_key else ""


def lock_workers_of(rows: QuerySet[StreamSession]) -> None:
    """Lock the processes of some streams, in order, until the transaction ends: before several streams are
    changed or removed.
    """
    workers = Worker.objects.select_for_update().filter(pk__in=rows.values("worker_id"))
    list(workers.order_by("pk").values_list("pk"))


def remove_stream_records(cutoff: datetime) -> int:
    """Remove the records of streams that were opened before a time, 500 at most; returns how many.

    Transaction: the caller's, or none. Two statements at most.

    Args:
        cutoff: so long ago that no such stream is open any more.
    """
    old = StreamSession.objects.filter(pk__lt=_first_key_at(cutoff)).order_by("pk")
    keys = list(old.values_list("pk", flat=True)[:MAX_REMOVED])
    return StreamSession.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _end(rows: QuerySet[StreamSession], reason: EndReason) -> None:
    """Close rows for somebody other than their process.

    The process finds ``requested_end``, ends the stream and clears it.
    """
    rows.update(closed_at=Now(), reason=reason, requested_end=reason)


def _first_key_at(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment: what was made before has a lesser one."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
