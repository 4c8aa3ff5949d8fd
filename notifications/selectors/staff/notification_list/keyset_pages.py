"""Pages of a list of notifications of any size, newest first.

Nothing is counted; each page begins where the one before ended.

There are two ways through the table. By *rows*, in the order of staging, where an index gives what is asked
about the notification itself (all, one recipient's, the failed ones). By *events*, in the order of sending,
where what is asked is about the event: its own indexes give the events, and each of them its notifications.
What no index gives is looked for among a bounded number of rows: a page then ends early, and the next goes
on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from notifications.models import Event, Notification
from notifications.selectors.staff.counts import first_rows
from notifications.selectors.staff.notification_list.conditions import Conditions
from notifications.selectors.staff.notification_list.criteria import BadCriteria
from notifications.sql.dialect import is_postgresql

# What one page may look through by rows: some 50 ms of the database.
MAX_ROWS: Final = 50_000
# Events are taken a few at first, because most pages are full then, and more when they turn out to have
# nothing that is wanted.
FIRST_EVENTS: Final = 100
MAX_EVENTS: Final = 1_600
# Whose words one look may read.
MAX_READ: Final = 50_000
# After this time a page that is not full ends. The next one goes on there, so nothing depends on the clock
# but a page's length.
LOOK_SECONDS: Final = 0.05
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS: Final = 19


@dataclass(frozen=True, kw_only=True)
class Page:
    """Part of a list.

    Attributes:
        keys: primary keys of notifications, in order.
        older: where the next page begins, for the address; empty when there is none.
    """

    keys: list[int] = field(default_factory=list)
    older: str = ""


class PageStart(NamedTuple):
    """Where a page begins in a list that goes by events: what comes after is older.

    Attributes:
        sent_at, event_id: of the event.
        row_id: its notifications below this key are still to come; 0 for none.
    """

    sent_at: datetime
    event_id: int
    row_id: int

    def __str__(self) -> str:
        return f"{(self.sent_at - _EPOCH) // timedelta(microseconds=1)}.{self.event_id}.{self.row_id}"

    @classmethod
    def parse(cls, text: str) -> PageStart:
        """Read it from an address. Raises BadCriteria."""
        sent, event_id, row_id = (_number(part) for part in [*text.split("."), "", ""][:3])
        try:
            return cls(_EPOCH + timedelta(microseconds=sent), event_id, row_id)
        except OverflowError as error:
            raise BadCriteria("there is no such page") from error


def read_page(conditions: Conditions, *, before: str = "", limit: int) -> Page:
    """Read a page of what is wanted.

    One query or two where an index gives it; otherwise two for each group of events, for a twentieth of a
    second.

    Args:
        conditions: what is wanted.
        before: ``older`` of the page before; empty for the newest.
        limit: how many there are on a page.

    Raises:
        BadCriteria: ``before`` is none.
    """
    if conditions.unknown:
        return Page()
    if conditions.goes_by_events:
        return _EventPageReader(conditions, limit).page(PageStart.parse(before) if before else None)
    rows = Notification.objects.filter(conditions.indexed)
    return _by_rows(rows, conditions.beside_indexed, _number(before) if before else None, limit)


def iterate_keys(conditions: Conditions, *, size: int) -> Iterator[list[int]]:
    """Read the keys of everything that is wanted, a page at a time, and never all in memory.

    What is sent meanwhile is left out.
    """
    before = ""
    while True:
        page = read_page(conditions, before=before, limit=size)
        if page.keys:
            yield page.keys
        if not page.older:
            return
        before = page.older


def _by_rows(rows: QuerySet[Notification], wanted: Q, before: int | None, limit: int) -> Page:
    """A page in the order of staging."""
    rows = rows.order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    floor: int | None = None
    if wanted:
        floor = rows.values_list("pk", flat=True)[MAX_ROWS - 1 : MAX_ROWS].first()
        rows = rows.filter(wanted) if floor is None else rows.filter(wanted, pk__gte=floor)
    keys, has_more = first_rows(rows.values_list("pk", flat=True), limit)
    if has_more:
        return Page(keys=keys, older=str(keys[-1]))
    return Page(keys=keys, older="" if floor is None else str(floor))


class _EventPageReader:
    """Goes from event to event until a page is full, the events are over, or the time is."""

    def __init__(self, conditions: Conditions, limit: int) -> None:
        self._wanted = conditions.of_event
        self._rows = conditions.unindexed
        self._is_slow = conditions.words is not None and is_postgresql()
        self._limit = limit
        self._found: list[tuple[int, int, datetime]] = []
        self._ends_at = time.monotonic() + LOOK_SECONDS

    def page(self, start: PageStart | None) -> Page:
        """The page that begins there; without a start, the newest."""
        size = FIRST_EVENTS
        while True:
            start = self._finish_event(start) if start and start.row_id else self._read_events(start, size)
            if len(self._found) > self._limit:
                _key, event_id, sent_at = self._found[self._limit - 1]
                last = PageStart(sent_at, event_id, self._found[self._limit - 1][0])
                return self._result(str(last))
            if start is None:
                return self._result("")
            if time.monotonic() >= self._ends_at:
                return self._result(str(start))
            size = min(size * 4, MAX_EVENTS)

    def _result(self, older: str) -> Page:
        return Page(keys=[found[0] for found in self._found[: self._limit]], older=older)

    def _finish_event(self, start: PageStart) -> PageStart:
        """Go on with an event that was left in the middle; returns where the page after it begins."""
        rest = Notification.objects.filter(event_id=start.event_id)
        missing = self._limit + 1 - len(self._found)
        page = _by_rows(rest, self._rows, start.row_id, missing)
        self._found += [(key, start.event_id, start.sent_at) for key in page.keys]
        return start._replace(row_id=int(page.older or 0))

    def _read_events(self, start: PageStart | None, size: int) -> PageStart | None:
        """Look at the next events; returns where the ones after them begin, None at the end.

        Of an event with very many notifications only the newest are looked at, and nothing beyond it.
        """
        cap = max(MAX_ROWS // size, 1)
        own = Notification.objects.filter(event=OuterRef("pk")).order_by("-pk")
        after = _after(start).order_by("-created_at", "-pk")
        events = after.filter(self._wanted).annotate(floor=Subquery(own.values("pk")[cap - 1 : cap]))
        end = self._search_end(after)
        if end is not None:
            events = events.filter(created_at__gte=end)
        seen = list(events.values_list("pk", "created_at", "floor")[:size])
        following = PageStart(end, 0, 0) if end is not None else None
        if len(seen) == size:
            following = PageStart(seen[-1][1], seen[-1][0], 0)
        wanted = Q()
        for number, (event_id, sent_at, floor) in enumerate(seen):
            if floor is not None:
                following = PageStart(sent_at, event_id, floor)
                wanted = Q(event_id=event_id, pk__gte=floor)
                seen = seen[: number + 1]
                break
        sent = {event_id: sent_at for event_id, sent_at, _ in seen}
        wanted |= Q(event_id__in=[event_id for event_id, _, floor in seen if floor is None])
        rows = Notification.objects.filter(wanted, self._rows)
        found = rows.order_by("-event__created_at", "-event_id", "-pk").values_list("pk", "event_id")
        missing = self._limit + 1 - len(self._found)
        if seen:
            self._found += [(key, event_id, sent[event_id]) for key, event_id in found[:missing]]
        return following

    def _search_end(self, events: QuerySet[Event]) -> datetime | None:
        """Find how far one search for words in the events themselves goes; None for the end.

        Such a search takes longest.
        """
        if not self._is_slow:
            return None
        return events.values_list("created_at", flat=True)[MAX_READ - 1 : MAX_READ].first()


def _after(start: PageStart | None) -> QuerySet[Event]:
    """The events from the start of a page on; without a start, all."""
    if start is None:
        return Event.objects.all()
    # As its row has it: SQLite compares texts, and writes fewer digits than we do. The other condition is for
    # the index.
    own = Event.objects.filter(pk=start.event_id).values("created_at")
    sent_at = Coalesce(Subquery(own), Value(start.sent_at), output_field=DateTimeField())
    return Event.objects.filter(Q(created_at__lt=sent_at) | Q(pk__lt=start.event_id), created_at__lte=sent_at)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS):
        raise BadCriteria("there is no such page")
    return int(text)
