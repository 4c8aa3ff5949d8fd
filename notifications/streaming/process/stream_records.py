"""The records of this process's streams: slots are taken at once, everything else is written in batches.

The database may be slow or away: no stream waits for what is written here, or ends because of it. What could
not be written is tried again. What was lost nevertheless is found by comparing the rows with the streams that
are open.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol, TypeVar
from uuid import UUID

from notifications import selectors, services
from notifications.conf import hub_config
from notifications.exceptions import StreamLimit
from notifications.models import EndReason, Worker
from notifications.services import Progress
from notifications.streaming import timing
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.refusals import Refusal
from notifications.system.outages import Outage
from notifications.system.processes import identity_of

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

CLOSING_SECONDS: Final = 0.1  # closings within this time are written together
MAX_CLOSINGS: Final = 50_000  # may wait to be written; further ones are found by the next comparison
SIGNS_OF_LIFE_PER_LOSS: Final = 3  # at least, within the time after which a process counts as lost
WRITES_PER_COMPARISON: Final = 12
STOP_SECONDS: Final = 1.0


class RecordedStream(Protocol):
    """A connection, as far as its record is concerned."""

    @property
    def progress(self) -> Progress:
        """How far the stream has come."""


class StreamRecords:
    """The record of one process: its own row, and the rows of its streams."""

    def __init__(self) -> None:
        pid = os.getpid()
        self.worker = Worker(host=socket.gethostname(), pid=pid, process=identity_of(pid))
        # Each from before its row is inserted until its end is noted; None until it has its connection.
        self._streams: dict[UUID, RecordedStream | None] = {}
        self._written: dict[UUID, Progress] = {}
        self._closings: dict[UUID, tuple[EndReason, Progress | None]] = {}
        self._has_closings = asyncio.Event()
        self._write_lock = asyncio.Lock()
        self._register_lock = asyncio.Lock()
        self._written_count = 0
        self._is_registered = False
        self._must_reopen = False
        self._outage = Outage(
            logger,
            began="The records of streams could not be written; they are tried again",
            over="The records of streams are written again",
        )

    async def open(self, key: UUID, take: Callable[[Worker], _T]) -> _T:
        """Take a slot for a stream. Whoever gets one must call ``add`` or ``note_end``.

        Args:
            key: of the stream.
            take: takes the slot for this process, in a database thread. It is called a second time when its
                ``StreamLimit`` may be out of date.

        Raises:
            StreamLimit: no slot is free, even after the streams that have ended here were written.
            Refusal: from ``take``.
            Exception: from the database.
        """
        await self._register()
        self._streams[key] = None
        opening = asyncio.ensure_future(self._open(take))
        try:
            return await asyncio.shield(opening)
        except (StreamLimit, Refusal):
            self._streams.pop(key, None)
            raise
        except BaseException:
            # The row may have been inserted nevertheless, or is still being inserted with nobody waiting.
            opening.add_done_callback(lambda done: done.cancelled() or done.exception())
            opening.add_done_callback(lambda _: self.note_end(key, EndReason.CLIENT))
            raise

    async def _open(self, take: Callable[[Worker], _T]) -> _T:
        written_before = self._written_count
        try:
            return await in_database_thread(take, self.worker)
        except StreamLimit:
            # Ends that were written while the slots were counted may have been missed by the count.
            if not (self._closings or self._write_lock.locked() or self._written_count != written_before):
                raise
        # A page that is reloaded must not be refused because of its own stream, which has just ended here.
        await self._write(with_progress=False)
        return await in_database_thread(take, self.worker)

    def add(self, key: UUID, stream: RecordedStream) -> None:
        """Give the stream its connection."""
        self._streams[key] = stream

    def note_end(self, key: UUID, reason: EndReason) -> None:
        """Note that a stream has ended, which is written soon. A second call does nothing."""
        if key not in self._streams:
            return
        stream = self._streams.pop(key)
        self._written.pop(key, None)
        if len(self._closings) < MAX_CLOSINGS:
            self._closings[key] = (reason, stream.progress if stream is not None else None)
        self._has_closings.set()

    def close_missing(self, reasons: Mapping[UUID, str]) -> None:
        """Close the rows of streams that somebody else ended and that are not open here.

        Otherwise each check would find them marked to be ended.
        """
        gone = {key: EndReason(reason) for key, reason in reasons.items() if key not in self._streams}
        if gone:
            self._closings = {key: (reason, None) for key, reason in gone.items()} | self._closings
            self._has_closings.set()

    async def run(self) -> None:
        """Write the ends of streams soon after they happen; regularly, a sign of life and all progress."""
        await asyncio.gather(self._write_closings(), self._write_sign_of_life())

    async def stop(self) -> None:
        """Write everything that is left, if that is possible within a moment. ``run`` must have ended."""
        if not self._is_registered:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                # Streams that are left had no connection yet. This process then counts as lost, and another
                # one closes their rows.
                if await self._write() and not self._streams:
                    await in_database_thread(services.end_worker, self.worker)

    async def _register(self) -> None:
        """Insert this process's row before its first stream, so that other processes count that stream."""
        async with self._register_lock:
            if not self._is_registered:
                await self._write()

    async def _write_closings(self) -> None:
        while True:
            await self._has_closings.wait()
            await asyncio.sleep(CLOSING_SECONDS)
            self._has_closings.clear()
            if not await self._write(with_progress=False):
                await asyncio.sleep(timing.with_jitter(1.0))
                self._has_closings.set()

    async def _write_sign_of_life(self) -> None:
        beat = 0
        while True:
            config = hub_config()
            seconds = min(config.reconcile_seconds, config.worker_lost_seconds / SIGNS_OF_LIFE_PER_LOSS)
            await asyncio.sleep(timing.with_jitter(seconds))
            beat += 1
            if self._is_registered and await self._write() and beat % WRITES_PER_COMPARISON == 0:
                await self._compare()

    async def _write(self, *, with_progress: bool = True) -> bool:
        """Write what has changed; return False, and keep it for the next time, when that fails."""
        async with self._write_lock:
            closings, self._closings = self._closings, {}
            moved = {key: progress for key, (_, progress) in closings.items() if progress is not None}
            if with_progress:
                moved |= self._changed_progress()
            closed = {key: reason for key, (reason, _) in closings.items()}
            try:
                self._must_reopen |= await in_database_thread(
                    services.write_sign_of_life,
                    self.worker,
                    progress=moved,
                    closed=closed,
                    is_whole=with_progress,
                )
                if self._must_reopen and self._streams:
                    await in_database_thread(services.reopen_streams, self.worker, list(self._streams))
                self._must_reopen = False
            except Exception as error:  # noqa: BLE001 (streams outlive any failure of the database)
                self._closings = closings | self._closings
                self._outage.failed(error)
                return False
            self._is_registered = True
            self._outage.recovered()
            self._written_count += len(closings)
            self._written |= {key: progress for key, progress in moved.items() if key in self._streams}
            return True

    def _changed_progress(self) -> dict[UUID, Progress]:
        moved = {}
        for key, stream in self._streams.items():
            if stream is not None and (progress := stream.progress) != self._written.get(key):
                moved[key] = progress
        return moved

    async def _compare(self) -> None:
        """Close rows that are recorded as open and are not, such as one whose insert was not answered."""
        async with self._write_lock:
            try:
                recorded = await in_database_thread(selectors.open_streams_of_worker, self.worker.pk)
            except Exception as error:  # noqa: BLE001 (as above)
                self._outage.failed(error)
                return
            for key in recorded:
                if key not in self._streams and key not in self._closings:
                    self._closings[key] = (EndReason.LOST, None)
                    self._has_closings.set()
