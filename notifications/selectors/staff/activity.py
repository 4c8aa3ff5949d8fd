"""Numbers for the dashboard: how much happened when, and who is connected now.

What happened is counted where that is little, and estimated from an even sample of the log where it is much.
Each read is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from notifications.models import (
    ApiToken,
    Change,
    ChangeKind,
    EndReason,
    Inbox,
    Notification,
    StreamSession,
    Worker,
    staged_at,
)
from notifications.selectors.streams import is_worker_alive
from notifications.sql.arrays import AnyOf

MAX_SAMPLE: Final = 5_000
MAX_RECORDS: Final = 25_000  # of streams, polls and lists that are looked through for streams
MAX_FAILED: Final = 1_000


class Happened(NamedTuple):
    """One change of the sample.

    Attributes:
        category, source: of its event; empty for all read.
        was_live: a stream without filters was open when it came, and has had it written to it.
        is_replayed: staff sent it again, so its source did not send it.
        waited: from staging it to listing it; None where it was meant to wait, or waited for staff:
            scheduled, or sent again by them.
    """

    at: datetime
    kind: str
    category: str
    source: str
    was_live: bool
    is_replayed: bool
    waited: timedelta | None


class Sample(NamedTuple):
    """Changes of a span.

    Attributes:
        rows: them, or one of every so many.
        weight: how many changes each of them stands for; 1 when they are all.
    """

    rows: list[Happened]
    weight: int


def changes_since(since: datetime) -> Sample:
    """Read the changes since a time, or a sample of them.

    Some 30 queries, each of one row by its key, and one of ``MAX_SAMPLE`` rows at most.

    The log has no index by time, which every change would pay for; but keys ascend with time, but for
    moments.
    """
    last = Change.objects.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return Sample([], 1)
    first = _first_key(since, last)
    span = last - first + 1
    weight = max(1, -(-span // MAX_SAMPLE))
    keys = [key for key in _sampled_keys(first, last, weight) if first <= key <= last]
    streams = StreamSession.objects.filter(
        Q(closed_at__isnull=True) | Q(closed_at__gte=OuterRef("at")),
        user_id=OuterRef("inbox_id"),
        filters="",
        start_position__lt=OuterRef("position"),
        position__gte=OuterRef("position"),
        opened_at__lte=OuterRef("at"),
    )
    rows = Change.objects.filter(AnyOf(F("pk"), keys), at__gte=since)
    values = rows.annotate(was_live=Exists(streams)).values_list(
        "at", "kind", "event__category", "event__source", "was_live", "event__created_at",
        "notification__public_id", "notification__deliver_at", "notification__replay_id",
        "notification__replay_of",
    )  # fmt: skip
    return Sample([_happened(*row) for row in values], weight)


def _sampled_keys(first: int, last: int, weight: int) -> Iterable[int]:
    """Give one key of each ``weight`` that follow each other.

    They go from those that have the first to those that have the last.

    Which one it is looks like chance. Always the same one would meet nothing but creations in a log in which
    each is followed by a deletion, or none. It is not chance: whoever looks again, in whichever process, sees
    the same sample of the same changes.
    """
    for part in range(first // weight, last // weight + 1):
        digest = blake2b(part.to_bytes(8), digest_size=8).digest()
        yield part * weight + int.from_bytes(digest) % weight


def _happened(
    at: datetime,
    kind: str,
    category: str | None,
    source: str | None,
    was_live: bool,
    stored_at: datetime | None,
    public_id: UUID | None,
    deliver_at: datetime | None,
    replay_id: Any,
    replay_of: UUID | None,
) -> Happened:
    is_replayed = replay_id is not None or replay_of is not None
    waited = None
    if kind == ChangeKind.CREATED and stored_at and public_id and deliver_at is None and not is_replayed:
        waited = max(timedelta(), at - staged_at(public_id, stored_at))
    return Happened(at, kind, category or "", source or "", was_live, is_replayed, waited)


def unread_total() -> int:
    """Count the unread notifications of all users.

    One query over the inboxes, whose rows are few and small.
    """
    return int(Inbox.objects.aggregate(total=Sum("unread_count"))["total"] or 0)


class Opened(NamedTuple):
    """Streams that were opened in a span.

    Attributes:
        times: when, newest first.
        whole_since: from when on these are all; None when they are all of the span.
    """

    times: list[datetime]
    whole_since: datetime | None


def opened_streams(since: datetime) -> Opened:
    """Tell when streams were opened since a time. Two queries, by the key, which ascends with time.

    Answered polls and lists are on record beside streams, and are none. There may be very many of them, so
    the newest ``MAX_RECORDS`` of all records are looked through and no more.
    """
    records = StreamSession.objects.order_by("-pk")
    oldest = records.values_list("pk", "opened_at")[MAX_RECORDS - 1 : MAX_RECORDS].first()
    found = records.filter(opened_at__gte=since).exclude(reason__in=(EndReason.ANSWERED, EndReason.LISTED))
    if oldest is not None:
        found = found.filter(pk__gte=oldest[0])
    is_cut = oldest is not None and oldest[1] >= since
    return Opened(list(found.values_list("opened_at", flat=True)), oldest[1] if oldest and is_cut else None)


def failed_sources() -> Iterable[tuple[str, str]]:
    """Source and failure of the newest failed notifications, ``MAX_FAILED`` at most. One query."""
    failed = Notification.objects.filter(failed_at__isnull=False).order_by("-pk")
    return failed.values_list("event__source", "failure")[:MAX_FAILED]


def count_open_streams() -> int:
    """Count the open streams of processes that show signs of life. One query."""
    return StreamSession.objects.filter(StreamSession.OPEN, is_worker_alive()).count()


def live_workers(*, seen_after: datetime, limit: int) -> list[tuple[Worker, int]]:
    """The workers that were seen after a time, each with how many streams it has open. Two queries."""
    workers = Worker.objects.filter(ended_at=None, seen_at__gt=seen_after).order_by("host", "pid")
    open_streams = StreamSession.objects.filter(StreamSession.OPEN)
    open_by_worker = dict(open_streams.values_list("worker_id").annotate(n=Count("pk")))
    return [(worker, open_by_worker.get(worker.pk, 0)) for worker in workers[:limit]]


def count_tokens_ending(now: datetime, *, within: timedelta) -> int:
    """Count the usable API tokens that end within a time from now. One query."""
    ending = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + within)
    return ending.count()


def _first_key(since: datetime, last: int) -> int:
    """Find, by halving, the first key from which on changes are not older.

    Keys before it that nobody has, or has any more, are left out.
    """
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        found: Any = Change.objects.filter(pk__gte=middle).order_by("pk").values_list("pk", "at").first()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return Change.objects.filter(pk__gte=low).order_by("pk").values_list("pk", flat=True).first() or low
