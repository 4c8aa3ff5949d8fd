"""The live tail: all changes of all inboxes, as they are committed, for staff who watch.

In each process one reader reads the end of the table of changes, a few times a second and only while anybody
watches. It costs producers nothing and needs no hints. Each change is shown once, although ids are committed
in any order (``id_gaps``).

Which of them a watcher sees, a filter decides.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from notifications import selectors
from notifications.change_kinds import KINDS, Carries
from notifications.filters import NAMES, PLURALS, Filters
from notifications.selectors import WatchedChange
from notifications.sql.dialect import is_postgresql
from notifications.streaming import timing
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.staff import frames
from notifications.streaming.staff.id_gaps import IdGaps
from notifications.streaming.staff.stream import StaffStream
from notifications.streaming.tasks import OnDemandTask
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

READ_INTERVAL_SECONDS: Final = 0.3
MAX_ROWS: Final = 500  # of one read
MAX_READS: Final = 4  # in a row; changes that are left then are skipped, and the watchers are told
# At the start, this many ids below the newest are examined for gaps: a transaction that began earlier may
# still commit there.
LOOK_BACK: Final = 1_000
MAX_RECIPIENTS: Final = 50
# The parameters of a tail. Any other one was meant to narrow it, so it is refused: ignoring it would show
# everything.
TAIL_PARAMETERS: Final = frozenset([*NAMES, *PLURALS.values(), "recipient", "change"])


@dataclass(frozen=True, kw_only=True, slots=True)
class TailFilter:
    """The changes that one watcher wants to see. An empty set admits everything.

    Attributes:
        filters: the filters of the protocol.
        recipients: usernames.
        kinds: values of ``ChangeKind``.
    """

    filters: Filters
    recipients: frozenset[str]
    kinds: frozenset[str]

    def admits(self, change: WatchedChange) -> bool:
        """Return whether a change is wanted.

        All-read has neither a type nor a topic nor a level, so only a filter by category can admit it.
        """
        if self.recipients and change.username not in self.recipients:
            return False
        if self.kinds and change.kind not in self.kinds:
            return False
        if KINDS[change.kind].carries is Carries.NOTHING:
            return self.filters.admits_all_read(change.read_category)
        return self.filters.admits(change)


class Tail:
    """The watchers of one event loop, and the reader that they share."""

    def __init__(self) -> None:
        self._watchers: dict[StaffStream, TailFilter] = {}
        self._reading = OnDemandTask(self._read_on, name="hub tail")
        self._has_started = asyncio.Event()
        self._outage = Outage(
            logger,
            began="The end of the log could not be read; the next try follows",
            over="The end of the log can be read again",
        )

    async def join(self, stream: StaffStream, tail_filter: TailFilter) -> None:
        """Show a stream everything that is committed after this returns."""
        self._watchers[stream] = tail_filter
        if not self._reading.is_running:
            self._has_started.clear()
            self._reading.start()
        await self._has_started.wait()

    def leave(self, stream: StaffStream) -> None:
        """Show a stream nothing more. The reader ends when the last stream has left."""
        self._watchers.pop(stream, None)

    async def stop(self) -> None:
        """Stop the reader at once."""
        await self._reading.stop()

    async def _read_on(self) -> None:
        gaps: IdGaps | None = None
        while self._watchers:
            try:
                if gaps is None:
                    gaps = await in_database_thread(_begin)
                    self._has_started.set()
                await self._look(gaps)
                self._outage.recovered()
            except Exception as error:  # noqa: BLE001 (a tail outlives any failure of the database)
                self._outage.failed(error)
            await asyncio.sleep(READ_INTERVAL_SECONDS)

    async def _look(self, gaps: IdGaps) -> None:
        for _ in range(MAX_READS):
            given_up = gaps.given_up_count
            changes, is_all = await in_database_thread(_read, gaps)
            self._show(changes, gaps.low)
            if gaps.given_up_count > given_up:
                self._skipped(gaps.given_up_count - given_up)
            if is_all:
                return
        self._skipped(gaps.skip_to(await in_database_thread(selectors.newest_change_id)))

    def _show(self, changes: list[WatchedChange], low: int) -> None:
        """Offer each change, rendered once for watchers who see content and once for those who do not."""
        for change in changes:
            rendered: dict[bool, bytes] = {}
            for stream, tail_filter in tuple(self._watchers.items()):
                if tail_filter.admits(change):
                    sees = stream.right.sees_content
                    if sees not in rendered:
                        rendered[sees] = tail_frame(change, low, with_content=sees)
                    stream.offer(rendered[sees])

    def _skipped(self, count: int) -> None:
        if count:
            for stream in tuple(self._watchers):
                stream.offer(frames.frame("tail.skipped", {"at_most": count}))


class TailFeed:
    """Feeds the stream of one watcher.

    Args:
        tail: the shared reader.
        tail_filter: which changes are wanted.
        after: the id after which a browser that reconnects goes on; None for "from now on".
    """

    def __init__(self, tail: Tail, tail_filter: TailFilter, after: int | None) -> None:
        self._tail = tail
        self._tail_filter = tail_filter
        self._after = after

    async def __call__(self, stream: StaffStream) -> None:
        """Feed the stream until it ends."""
        try:
            await self._tail.join(stream, self._tail_filter)
            # First join, then read what was missed, so that nothing falls in between. The page drops by id
            # what comes twice.
            earlier = [] if self._after is None else await self._missed(stream, self._after)
            opened = frames.frame(
                "tail.open", {"filters": str(self._tail_filter.filters)}, retry_ms=timing.retry_ms()
            )
            stream.prepend([opened, *earlier])
            await asyncio.Event().wait()
        finally:
            self._tail.leave(stream)

    async def _missed(self, stream: StaffStream, after: int) -> list[bytes]:
        newest = await in_database_thread(selectors.newest_change_id)
        start = max(after, newest - MAX_ROWS)
        missed = await in_database_thread(selectors.changes_by_id, after=start, limit=MAX_ROWS)
        earlier = [frames.frame("tail.skipped", {"at_most": start - after})] if start > after else []
        sees = stream.right.sees_content
        return earlier + [
            tail_frame(change, after, with_content=sees)
            for change in missed
            if self._tail_filter.admits(change)
        ]


def tail_frame(change: WatchedChange, low: int, *, with_content: bool) -> bytes:
    """Return the frame of a change in the tail."""
    return frames.frame("tail.change", frames.change_data(change, with_content=with_content), last=low)


# These run in a database thread.


def _begin() -> IdGaps:
    """Read which ids exist already, so that an id that appears between them later counts as new."""
    newest = selectors.newest_change_id()
    if not _has_gaps():
        return IdGaps(newest)
    gaps = IdGaps(max(0, newest - LOOK_BACK))
    gaps.add_new(selectors.change_ids(after=gaps.high, up_to=newest))
    return gaps


def _read(gaps: IdGaps) -> tuple[list[WatchedChange], bool]:
    """Return the new changes in the order of their ids, and whether there are no more.

    The new ids are read first and then the gaps, so that an inbox's change that was committed before one of
    the new ones is found, too.
    """
    fresh = selectors.changes_by_id(after=gaps.high, limit=MAX_ROWS)
    is_all = len(fresh) < MAX_ROWS
    if not _has_gaps():
        gaps.skip_to(fresh[-1].id if fresh else gaps.high)
        return fresh, is_all
    gaps.add_new(change.id for change in fresh)
    if not gaps.spans:
        return fresh, is_all
    horizon = selectors.transaction_horizon()
    late = selectors.changes_within(gaps.spans, limit=MAX_ROWS)
    gaps.fill(change.id for change in late)
    if len(late) < MAX_ROWS:
        gaps.settle(horizon)
    if gaps.has_unmarked:
        gaps.mark(selectors.transaction_mark())
    return sorted([*fresh, *late], key=lambda change: change.id), is_all and len(late) < MAX_ROWS


def _has_gaps() -> bool:
    """Return whether ids can be committed out of order; on SQLite they cannot: it has one writer."""
    return is_postgresql()
