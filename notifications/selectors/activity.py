"""How much happened when: counted where that is little, estimated from an even sample of the log where it is much. Each read is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, Sum

from notifications.arrays import AnyOf
from notifications.models import Change, ChangeKind, Inbox, Notification, StreamSession

MAX_SAMPLE: Final = 5_000
MAX_FAILED: Final = 1_000


class Happened(NamedTuple):
    """One change of the sample.

    Attributes:
        type, source: of its event; empty for all read.
        was_live: a stream without filters was open when it came, and has had it written to it.
        waited: from storing its event to listing it; None where it was meant to wait: scheduled, or sent again by staff.
    """

    at: datetime
    kind: str
    type: str
    source: str
    was_live: bool
    waited: timedelta | None


class Sample(NamedTuple):
    """Changes of a span.

    Attributes:
        rows: them, or every so many of them.
        weight: how many changes each of them stands for; 1 when they are all.
    """

    rows: list[Happened]
    weight: int


def changes_since(since: datetime) -> Sample:
    """The changes since a time. Some 30 queries, each of one row by its key, and one of ``MAX_SAMPLE`` rows at most.

    The log has no index by time, which every change would pay for; but keys ascend with time, but for moments.
    """
    last = Change.objects.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return Sample([], 1)
    first = _first_key(since, last)
    span = last - first + 1
    weight = max(1, -(-span // MAX_SAMPLE))
    keys = range(first, last + 1, weight)
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
        "at", "kind", "event__type", "event__source", "was_live",
        "event__created_at", "notification__deliver_at", "notification__replay_id",
    )  # fmt: skip
    return Sample([_happened(*row) for row in values], weight)


def _happened(
    at: datetime,
    kind: str,
    event_type: str | None,
    source: str | None,
    was_live: bool,
    stored_at: datetime | None,
    deliver_at: datetime | None,
    replay_id: Any,
) -> Happened:
    is_direct = kind == ChangeKind.CREATED and stored_at and deliver_at is None and replay_id is None
    waited = max(timedelta(), at - stored_at) if is_direct and stored_at else None
    return Happened(at, kind, event_type or "", source or "", was_live, waited)


def unread_total() -> int:
    """How many notifications are unread, of all users. One query over the inboxes, whose rows are few and small."""
    return int(Inbox.objects.aggregate(total=Sum("unread_count"))["total"] or 0)


def opened_streams(since: datetime) -> tuple[list[datetime], bool]:
    """When the newest streams were opened, as far as ``MAX_SAMPLE``; and whether there were more. One query, by the key, which ascends with time."""
    newest = StreamSession.objects.order_by("-pk").values_list("opened_at", flat=True)[: MAX_SAMPLE + 1]
    opened = [at for at in newest if at >= since]
    return opened[:MAX_SAMPLE], len(opened) > MAX_SAMPLE


def failed_sources() -> Iterable[tuple[str, str]]:
    """Source and failure of the newest failed notifications, ``MAX_FAILED`` at most. One query."""
    failed = Notification.objects.filter(failed_at__isnull=False).order_by("-pk")
    return failed.values_list("event__source", "failure")[:MAX_FAILED]


def _first_key(since: datetime, last: int) -> int:
    """The first key from which on changes are not older: found by halving. Keys before it that nobody has, or has any more, are left out."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        found: Any = Change.objects.filter(pk__gte=middle).order_by("pk").values_list("pk", "at").first()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return Change.objects.filter(pk__gte=low).order_by("pk").values_list("pk", flat=True).first() or low
