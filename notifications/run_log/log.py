"""The log of runs: begin, append, read, trim, end.

Everything here blocks, for the seconds of the store at most, and may be called in any thread; on an event
loop it belongs into one. It is outside of any transaction: what is appended is seen at once, and a rollback
does not undo it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Final

from notifications.exceptions import MalformedCursor
from notifications.protocol.cursors import Cursor, new_epoch
from notifications.run_log.answers import (
    Appended,
    AppendRequest,
    Ended,
    Entry,
    LogUnavailable,
    Page,
    RunLogLost,
    RunLogRefusal,
    StoredRequest,
)
from notifications.run_log.store import Store
from notifications.runs.cursors import EARLIEST
from notifications.runs.events import RunEvent
from notifications.runs.run_object import RunObject

logger = logging.getLogger(__name__)

MAX_PAGE_EVENTS: Final = 1_000
MAX_PAGE_BYTES: Final = 1024 * 1024
MAX_RUN_SECONDS: Final = 3_600.0
_FROM_SNAPSHOT: Final = ("", -1)


class RunLog:
    """The logs of all runs, in one store.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(
        self,
        run: str,
        lease: str,
        first: RunEvent,
        *,
        epoch: str | None = None,
        max_seconds: float = MAX_RUN_SECONDS,
    ) -> Appended:
        """Begin the log of a run with its first event, which gets the number 1.

        Called again with the same lease it changes nothing and says how the log is.

        Args:
            run: the run's id.
            lease: the secret that appends must bring; only its hash is stored.
            first: ``run.started``.
            epoch: of the run's cursors; by default a new one.
            max_seconds: how long the run may take. A log that nobody ends is removed some time after that.

        Raises:
            RunLeaseLost: the run has a log, begun with another lease.
            LogUnavailable: the store did not answer.
        """
        return self._store.begin(run, _hashed(lease), epoch or new_epoch(), Entry.of(first), max_seconds)

    def append(
        self, run: str, lease: str, *, after: int, digest: str, events: Sequence[RunEvent]
    ) -> Appended:
        """Append events, which get the next numbers, all or none; the arguments are of ``AppendRequest``.

        The newest request may be sent again, also after the end: it is answered as the first time.

        Raises:
            RunLeaseLost, RunFinished: the producer has to stop.
            RunOutOfStep: ``after`` is not the newest number.
            RunLogLost: ``after`` is beyond the newest number, or the log is gone. From then on the log takes
                nothing before ``begin_epoch``.
            LogUnavailable: the store did not answer.
        """
        [answer] = self.append_many([AppendRequest(run, lease, after, digest, events)])
        if isinstance(answer, RunLogRefusal):
            raise answer
        return answer

    def append_many(self, requests: Sequence[AppendRequest]) -> list[Appended | RunLogRefusal]:
        """Append to several runs at once, for little more than one append costs.

        A log that has outgrown its limits by this is trimmed here.

        Returns:
            The answer or the refusal of each request, in their order.

        Raises:
            LogUnavailable: the store did not answer. Some of them may have been appended; all may be sent
                again.
        """
        answers = self._store.append_many(
            [
                StoredRequest(
                    request.run,
                    _hashed(request.lease),
                    request.after,
                    request.digest,
                    [Entry.of(event) for event in request.events],
                )
                for request in requests
            ]
        )
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Appended) and answer.is_full:
                self._trim_later_if_not_now(request.run)
        return answers

    def read(
        self,
        run: str,
        after: str | None,
        *,
        max_events: int = MAX_PAGE_EVENTS,
        max_bytes: int = MAX_PAGE_BYTES,
    ) -> Page:
        """Read a page of events.

        Args:
            run: the run's id.
            after: a cursor, or ``earliest``; None to begin with the snapshot. A cursor that cannot be used is
                no error, and the page says ``is_reset``.
            max_events: how many events at most.
            max_bytes: how many bytes of events at most; one event is always given.

        Raises:
            RunLogLost: there is no log, or a part of it is missing.
            LogUnavailable: the store did not answer.
        """
        epoch, number = _place(after)
        return self._store.read(run, epoch, number, max_events, max_bytes)

    def fold(self, run: str) -> RunObject:
        """Return the object of a run as it is now, from its snapshot and the events after it.

        Raises:
            RunLogLost, LogUnavailable: as of ``read``.
        """
        page = self.read(run, None)
        folded = RunObject.from_json(json.loads(page.snapshot)) if page.snapshot else RunObject(page.epoch)
        folded.epoch = page.epoch
        while True:
            for event in page.events:
                folded.fold(event.logged())
            if not page.has_more:
                return folded
            page = self.read(run, page.cursor)
            if page.is_reset:
                # The log was cut or begun anew meanwhile, which happens seldom.
                return self.fold(run)

    def trim(self, run: str, folded: RunObject | None = None) -> bool:
        """Store a snapshot and remove events down to half of the limits, in one step.

        What is left beside the snapshot is for watchers who are a little behind: they go on exactly.

        Args:
            run: the run's id.
            folded: the run as it is at a number that the log has, where the caller knows it; else it is read
                and folded here.

        Returns:
            Whether the log was trimmed; not if somebody has stored a newer snapshot, or begun a new epoch.

        Raises:
            RunLogLost, LogUnavailable: as of ``read``.
        """
        folded = folded or self.fold(run)
        return self._store.cut(run, folded.epoch, folded.number, folded.to_bytes())

    def begin_epoch(
        self, run: str, lease: str, folded: RunObject, *, max_seconds: float = MAX_RUN_SECONDS
    ) -> Appended:
        """Go on after events were lost, in a new epoch: with a snapshot, and no event before it.

        Args:
            run: the run's id.
            lease: the secret of the lease. Where the log is gone as a whole nothing is left to compare it
                with: the caller has compared it with the row of the run.
            folded: the run as its producer knows it, at the producer's number. Its epoch becomes a new one.
            max_seconds: as of ``begin``; it counts only where the log is gone.

        Raises:
            RunLeaseLost, RunFinished: the producer has to stop.
            RunOutOfStep: the log has newer events than the snapshot.
            LogUnavailable: the store did not answer.
        """
        folded.epoch = new_epoch()
        return self._store.begin_epoch(
            run, _hashed(lease), folded.epoch, folded.number, folded.to_bytes(), max_seconds
        )

    def end(self, run: str, last: RunEvent, *, after: int | None = None) -> Ended:
        """Append the end event, unless there is one, and let the log expire.

        It asks for no lease: whoever calls this has ended the row of the run, and only one can.

        Args:
            run: the run's id.
            last: the end event.
            after: the newest number that the caller knows; None to end the run wherever it is.

        Raises:
            RunOutOfStep, RunLogLost: ``after`` is not the newest number, or the log is gone.
            LogUnavailable: the store did not answer; it may be asked again.
        """
        return self._store.end(run, Entry.of(last), after, new_epoch())

    def request_cancel(self, run: str) -> None:
        """Ask the producer to stop: the answers to its appends say so from now on.

        Raises:
            RunLogLost: there is no log.
            RunFinished: the run has ended.
            LogUnavailable: the store did not answer.
        """
        self._store.request_cancel(run)

    def replace_lease(self, run: str, lease: str) -> None:
        """Give the run to another producer; the one before is refused from now on.

        Raises:
            RunLogLost, RunFinished, LogUnavailable: as of ``request_cancel``.
        """
        self._store.replace_lease(run, _hashed(lease))

    def expire(self) -> int:
        """Remove logs whose time is over, a bounded number of them, and return how many.

        Redis removes them by itself.

        Raises:
            LogUnavailable: the store did not answer.
        """
        return self._store.expire()

    def erase(self, run: str) -> None:
        """Remove everything of a run at once; of one without a log too.

        Raises:
            LogUnavailable: the store did not answer.
        """
        self._store.erase(run)

    def close(self) -> None:
        """Close the store's connections."""
        self._store.close()

    def _trim_later_if_not_now(self, run: str) -> None:
        """Trim a log whose append was acknowledged; where that fails, the next append tries again."""
        try:
            self.trim(run)
        except (RunLogLost, LogUnavailable) as error:
            logger.warning("The log of a run could not be trimmed; its next append tries again: %r", error)


def _hashed(lease: str) -> str:
    return hashlib.blake2b(lease.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _place(after: str | None) -> tuple[str, int]:
    if after == EARLIEST:
        return "", 0
    try:
        cursor = Cursor.parse(after) if after is not None else None
    except MalformedCursor:
        return _FROM_SNAPSHOT
    return (cursor.epoch, cursor.position) if cursor is not None else _FROM_SNAPSHOT
