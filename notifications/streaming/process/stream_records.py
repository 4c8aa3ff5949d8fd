"""This process's streams on record: slots are taken at once, everything else is written in batches.

The database may be slow or away: no stream waits for what is written here, or ends because of it. What could
not be written is tried again; what was forgotten meanwhile is found by comparing the record with the streams
there are.
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
from notifications.streaming.database_threads import in_pool
from notifications.streaming.refusal import Refusal
from notifications.system.outages import Outage
from notifications.system.processes import identity_of

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

CLOSING_SECONDS: Final = 0.1  # closings of so long a time are written together
MAX_CLOSINGS: Final = 50_000  # that may wait; what comes on top is found by the next comparison
SIGNS_PER_LOSS: Final = 3  # signs of life within the time after which a process counts as lost, at least
BEATS_PER_COMPARISON: Final = 12
STOP_SECONDS: Final = 1.0


class Recorded(Protocol):
    """What a connection is to the record."""

    @property
    def progress(self) -> Progress:
        """How far it has come."""


class Presence:
    """The record of one process: its own row, and the rows of its streams."""

    def __init__(self) -> None:
        pid = os.getpid()
        self.worker = Worker(host=socket.gethostname(), pid=pid, process=identity_of(pid))
        # From before a stream's row is made until its end was noted; None until the connection is there.
        self._streams: dict[UUID, Recorded | None] = {}
        self._written: dict[UUID, Progress] = {}
        self._closings: dict[UUID, tuple[EndReason, Progress | None]] = {}
        self._noted = asyncio.Event()
        self._writing = asyncio.Lock()
        self._registering = asyncio.Lock()
        self._written_count = 0
        self._is_registered = False
        self._must_reopen = False
        self._outage = Outage(
            logger,
            began="Streams could not be put on record; the next try follows",
            over="Streams are put on record again",
        )

    async def open(self, key: UUID, take: Callable[[Worker], _T]) -> _T:
        """Take a slot. Whoever gets one calls ``add`` or ``note_end``.

        Args:
            key: of the stream.
            take: takes the slot for this process, in the private pool; called once more where its
                ``StreamLimit`` may be out of date.

        Raises:
            StreamLimit: there is none, even after what has ended here was written.
            Refusal: from ``take``.
            Exception: the database's.
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
            # The row may have been made all the same, or is being made while nobody waits for it any more.
            opening.add_done_callback(lambda done: done.cancelled() or done.exception())
            opening.add_done_callback(lambda _: self.note_end(key, EndReason.CLIENT))
            raise

    async def _open(self, take: Callable[[Worker], _T]) -> _T:
        written_before = self._written_count
        try:
            return await in_pool(take, self.worker)
        except StreamLimit:
            # Ends that were written while the slots were counted may have come too late for that.
            if not (self._closings or self._writing.locked() or self._written_count != written_before):
                raise
        # A page that is loaded again must not meet its own stream, which has just ended here.
        await self._write(with_progress=False)
        return await in_pool(take, self.worker)

    def add(self, key: UUID, stream: Recorded) -> None:
        """The stream has its connection now."""
        self._streams[key] = stream

    def note_end(self, key: UUID, reason: EndReason) -> None:
        """A stream has ended; that is written soon. Again, it does nothing."""
        if key not in self._streams:
            return
        stream = self._streams.pop(key)
        self._written.pop(key, None)
        if len(self._closings) < MAX_CLOSINGS:
            self._closings[key] = (reason, stream.progress if stream is not None else None)
        self._noted.set()

    def settle(self, asked: Mapping[UUID, str]) -> None:
        """Somebody else has ended streams that are not here: take them off the list of those that are
        asked.
        """
        gone = {key: EndReason(reason) for key, reason in asked.items() if key not in self._streams}
        if gone:
            self._closings = {key: (reason, None) for key, reason in gone.items()} | self._closings
            self._noted.set()

    async def run(self) -> None:
        """Write what has ended, soon after it has; and at each beat a sign of life, and how far all streams
        have come.
        """
        await asyncio.gather(self._write_closings(), self._beat())

    async def stop(self) -> None:
        """Write all there is, if that is possible within a moment. ``run`` must have ended."""
        if not self._is_registered:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                # What is left had no connection yet; then this process is taken for lost, and another closes
                # it.
                if await self._write() and not self._streams:
                    await in_pool(services.end_worker, self.worker)

    async def _register(self) -> None:
        """Be on record before the first stream is: others must count it."""
        async with self._registering:
            if not self._is_registered:
                await self._write()

    async def _write_closings(self) -> None:
        while True:
            await self._noted.wait()
            await asyncio.sleep(CLOSING_SECONDS)
            self._noted.clear()
            if not await self._write(with_progress=False):
                await asyncio.sleep(timing.spread(1.0))
                self._noted.set()

    async def _beat(self) -> None:
        beat = 0
        while True:
            config = hub_config()
            seconds = min(config.reconcile_seconds, config.worker_lost_seconds / SIGNS_PER_LOSS)
            await asyncio.sleep(timing.spread(seconds))
            beat += 1
            if self._is_registered and await self._write() and beat % BEATS_PER_COMPARISON == 0:
                await self._compare()

    async def _write(self, *, with_progress: bool = True) -> bool:
        """Whether it could be written. What could not is kept for the next time."""
        async with self._writing:
            closings, self._closings = self._closings, {}
            moved = {key: progress for key, (_, progress) in closings.items() if progress is not None}
            if with_progress:
                moved |= self._moved()
            closed = {key: reason for key, (reason, _) in closings.items()}
            try:
                self._must_reopen |= await in_pool(
                    services.show_life,
                    self.worker,
                    progress=moved,
                    closed=closed,
                    is_whole=with_progress,
                )
                if self._must_reopen and self._streams:
                    await in_pool(services.reopen_streams, self.worker, list(self._streams))
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

    def _moved(self) -> dict[UUID, Progress]:
        moved = {}
        for key, stream in self._streams.items():
            if stream is not None and (progress := stream.progress) != self._written.get(key):
                moved[key] = progress
        return moved

    async def _compare(self) -> None:
        """Close what is on record as open and is not: a row whose making was not answered, say."""
        async with self._writing:
            try:
                recorded = await in_pool(selectors.open_streams_of_worker, self.worker.pk)
            except Exception as error:  # noqa: BLE001 (as above)
                self._outage.failed(error)
                return
            for key in recorded:
                if key not in self._streams and key not in self._closings:
                    self._closings[key] = (EndReason.LOST, None)
                    self._noted.set()
