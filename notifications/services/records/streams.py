"""End streams that are on record, and remove old records.

Streams are opened in ``services.records.stream_slots``. Everything else about the rows is bookkeeping
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
    """The part of the log that was written to a stream: all after ``start`` and up to ``position``."""

    epoch: str
    start: int
    position: int


def end_streams(keys: Iterable[UUID], reason: EndReason, *, user_id: Any = None) -> int:
    """End open streams, whichever process serves them; return the number of streams that were ended.

    Their slots are free at once, and after the commit every process is told to look.

    Transaction: the caller's, or its own. Three statements at most. A stream that has ended already stays as
    it is.

    Args:
        keys: of the streams.
        reason: what ``stream.close`` will say.
        user_id: only streams of this user; None for any user's.
    """
    rows = StreamSession.objects.filter(StreamSession.OPEN, pk__in=list(keys))
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    with transaction.atomic():
        lock_workers_of(rows)
        users_by_key = dict(rows.values_list("pk", "user_id"))
        if users_by_key:
            _end(StreamSession.objects.filter(pk__in=users_by_key), reason)
            announce_streams_on_commit(set(users_by_key.values()))
    return len(users_by_key)


def end_streams_of_session(user_id: Any, session_key: str) -> int:
    """End the streams that a session opened, because it logs out: their clients do not come back.

    If a session ends in any other way, that is found later, and then the browser's cookie decides whether its
    client comes back (``streaming.process.credential_validity``).

    Transaction: as for ``end_streams``; one statement where there are none.

    Args:
        user_id: primary key of the user.
        session_key: of the session.

    Returns:
        The number of streams that were ended.
    """
    rows = StreamSession.objects.filter(
        StreamSession.OPEN, user_id=user_id, session_digest=session_digest(session_key)
    )
    keys = list(rows.values_list("pk", flat=True))
    return end_streams(keys, EndReason.REVOKED) if keys else 0


def session_digest(session_key: str | None) -> str:
    """Return the digest by which a session's streams are found. Keys are random, so none can be guessed."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:32] if session_key else ""


def lock_workers_of(rows: QuerySet[StreamSession]) -> None:
    """Lock the processes of some streams, in order, until the transaction ends.

    This has to be done before several streams are changed or removed.
    """
    workers = Worker.objects.select_for_update().filter(pk__in=rows.values("worker_id"))
    list(workers.order_by("pk").values_list("pk"))


def remove_stream_records(cutoff: datetime) -> int:
    """Remove the records of streams that were opened before a time, 500 at most; return the number.

    Transaction: the caller's, or none. Two statements at most.

    Args:
        cutoff: a time so long ago that no stream from before it is still open.
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
    """Return the least UUIDv7 of a moment: everything that was created before has a lesser one."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
