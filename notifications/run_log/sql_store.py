"""Logs in tables, on a connection of the store's own: the same behaviour as in Redis, in Python.

The state of a log is a row that is locked, or lies in a database that is, while it is decided upon. The
connection is nobody else's, so no caller's ``atomic()`` hides or undoes what is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from typing import Final

from notifications.protocol.cursors import cursor_text
from notifications.run_log.answers import (
    Appended,
    Ended,
    Entry,
    LogLimits,
    Page,
    RunLogLost,
    RunLogRefusal,
    RunOutOfStep,
    StoredEvent,
    StoredRequest,
)
from notifications.run_log.log_state import LogState
from notifications.run_log.own_connection import OwnConnection

SECOND: Final = 1_000_000  # times are in microseconds
MAX_EXPIRED: Final = 100  # logs that one call removes
# A run that lasts as long as it may has its log until the sweeper has ended it, and then for its time.
_GRACE_SECONDS: Final = 3_600.0

_COLUMNS: Final = tuple(item.name for item in fields(LogState))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM notification_hub_run_log WHERE run = %s"  # noqa: S608
_INSERT: Final = (
    f"INSERT INTO notification_hub_run_log ({', '.join(_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(['%s'] * len(_COLUMNS))})"
)
_UPDATE: Final = (
    f"UPDATE notification_hub_run_log SET {', '.join(f'{name} = %s' for name in _COLUMNS)}"  # noqa: S608
    " WHERE run = %s"
)
_REMOVALS: Final = tuple(
    f"DELETE FROM notification_hub_run_log{part} WHERE run = %s"  # noqa: S608
    for part in ("_event", "_snapshot", "")
)


class SqlStore:
    """Keeps logs in tables.

    Args:
        connection: where the tables are.
        limits: how much is kept.
    """

    def __init__(self, connection: OwnConnection, *, limits: LogLimits) -> None:
        self._own = connection
        self._limits = limits

    def begin(self, run: str, lease: str, epoch: str, first: Entry, max_seconds: float) -> Appended:
        """See ``Store``."""
        with self._writing(run) as connection:
            if state := self._load(connection, run):
                state.check_lease(lease)
                return state.answer(state.number)
            self._remove(connection, run)
            state = LogState(run, epoch, 0, lease, self._end_of_life(connection, max_seconds))
            self._add(connection, state, [first])
            connection.execute(_INSERT, astuple(state))
            return state.answer(1)

    def append_many(self, requests: Sequence[StoredRequest]) -> list[Appended | RunLogRefusal]:
        """See ``Store``. All requests share one transaction."""
        answers: dict[int, Appended | RunLogRefusal] = {}
        with self._writing(*(request.run for request in requests)) as connection:
            for place, request in enumerate(requests):
                try:
                    answers[place] = self._append(connection, request)
                except RunLogRefusal as refusal:
                    answers[place] = refusal
        return [answers[place] for place in range(len(requests))]

    def read(self, run: str, epoch: str, after: int, max_events: int, max_bytes: int) -> Page:
        """See ``Store``."""
        with self._own.reading() as connection:
            state = self._load_any(connection, run)
            is_unusable = epoch not in ("", state.epoch) or not state.kept_from - 1 <= after <= state.number
            snapshot = None
            if is_unusable:
                after = state.snapshot_number
                snapshot = self._snapshot(connection, state)
            events = self._events(connection, state, after, max_events, max_bytes)
        return Page(
            epoch=state.epoch,
            number=state.number,
            kept_from=state.kept_from,
            after=after,
            events=events,
            is_reset=is_unusable,
            snapshot=snapshot,
            end_kind=state.end_kind,
            is_cancel_requested=bool(state.is_cancel_requested),
        )

    def cut(self, run: str, epoch: str, number: int, snapshot: bytes) -> bool:
        """See ``Store``."""
        with self._writing(run) as connection:
            state = self._load(connection, run)
            if state is None or state.epoch != epoch or not state.snapshot_number < number <= state.number:
                return False
            self._store_snapshot(connection, run, snapshot)
            kept_from = self._kept_after_cut(connection, state, number)
            state.total_cut = self._total_at(connection, state, kept_from - 1)
            state.kept_from = kept_from
            state.snapshot_number = number
            connection.execute(
                "DELETE FROM notification_hub_run_log_event WHERE run = %s AND number < %s",
                [run, state.kept_from],
            )
            self._store(connection, state)
            return True

    def begin_epoch(
        self, run: str, lease: str, epoch: str, number: int, snapshot: bytes, max_seconds: float
    ) -> Appended:
        """See ``Store``."""
        with self._writing(run) as connection:
            before = self._load(connection, run)
            if before is not None:
                before.check_lease(lease)
                before.check_running()
                if number < before.number:
                    raise RunOutOfStep(before.number)
                expires_at = before.expires_at
            else:
                expires_at = self._end_of_life(connection, max_seconds)
            self._remove(connection, run)
            state = LogState(run, epoch, number, lease, expires_at)
            state.kept_from, state.snapshot_number = number + 1, number
            state.is_cancel_requested = before.is_cancel_requested if before is not None else 0
            self._store_snapshot(connection, run, snapshot)
            connection.execute(_INSERT, astuple(state))
            return state.answer(number)

    def end(self, run: str, last: Entry, after: int | None, epoch: str) -> Ended:
        """See ``Store``."""
        with self._changing(run) as (connection, state):
            if state.end_kind:
                return _ended(state, is_new=False)
            if after is not None:
                state.check_step(after)
            if state.is_lost:
                state.epoch, state.is_lost = epoch, 0
            self._add(connection, state, [last])
            state.end_kind, state.end_number = last.kind, state.number
            state.expires_at = connection.now() + round(self._limits.kept_seconds * SECOND)
            return _ended(state, is_new=True)

    def request_cancel(self, run: str) -> None:
        """See ``Store``."""
        with self._changing(run) as (_, state):
            state.check_running()
            state.is_cancel_requested = 1

    def replace_lease(self, run: str, lease: str) -> None:
        """See ``Store``."""
        with self._changing(run) as (_, state):
            state.check_running()
            state.lease = lease

    def expire(self) -> int:
        """See ``Store``."""
        with self._own.writing() as connection:
            found = connection.execute(
                "SELECT run FROM notification_hub_run_log WHERE expires_at <= %s"
                " ORDER BY expires_at LIMIT %s",
                [connection.now(), MAX_EXPIRED],
            ).fetchall()
            runs = [run for (run,) in found]
            connection.lock(runs)
            # Begun anew before it was locked, a log has a new time.
            expired = [run for run in runs if self._load(connection, run) is None]
            for run in expired:
                self._remove(connection, run)
        return len(expired)

    def erase(self, run: str) -> None:
        """See ``Store``."""
        with self._writing(run) as connection:
            self._remove(connection, run)

    def close(self) -> None:
        """See ``Store``."""
        self._own.close()

    def _append(self, connection: OwnConnection, request: StoredRequest) -> Appended:
        state = self._load_any(connection, request.run)
        state.check_lease(request.lease)
        if state.is_repeated(request):
            return state.answer(state.request_number)
        state.check_running()
        try:
            state.check_step(request.after if request.entries else state.number)
        except RunLogLost:
            self._store(connection, state)
            raise
        if request.entries:
            self._add(connection, state, request.entries)
            state.request_after, state.request_digest = request.after, request.digest
            state.request_number = state.number
            self._store(connection, state)
        return state.answer(state.number, is_full=state.is_full(self._limits))

    def _add(self, connection: OwnConnection, state: LogState, entries: Sequence[Entry]) -> None:
        at = connection.now()
        for entry in entries:
            state.number += 1
            state.total += entry.size
            connection.execute(
                "INSERT INTO notification_hub_run_log_event (run, number, at, kind, fields, total)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [state.run, state.number, at, entry.kind, entry.fields, state.total],
            )

    def _events(
        self, connection: OwnConnection, state: LogState, after: int, max_events: int, max_bytes: int
    ) -> tuple[StoredEvent, ...]:
        """A contiguous run of events, at least one where there are any."""
        before = self._total_at(connection, state, after)
        rows = connection.execute(
            "SELECT number, at, kind, fields FROM notification_hub_run_log_event"
            " WHERE run = %s AND number > %s AND (total <= %s OR number = %s) ORDER BY number LIMIT %s",
            [state.run, after, before + max_bytes, after + 1, max_events],
        ).fetchall()
        if after < state.number and (not rows or rows[0][0] != after + 1):
            raise RunLogLost(state.number)
        return tuple(StoredEvent(state.run, *row) for row in rows)

    def _kept_after_cut(self, connection: OwnConnection, state: LogState, number: int) -> int:
        """The oldest event of so many as half of the limits admits, or the first after the snapshot."""
        oldest_by_count = state.number - self._limits.max_events // 2 + 1
        (oldest_by_bytes,) = connection.execute(
            "SELECT MIN(number) FROM notification_hub_run_log_event WHERE run = %s AND total >= %s",
            [state.run, state.total - self._limits.max_bytes // 2],
        ).fetchone()
        # That event is the last of those to remove: what follows it fits.
        fitting = state.kept_from
        if state.total - state.total_cut > self._limits.max_bytes // 2:
            fitting = (oldest_by_bytes or state.number) + 1
        return max(min(max(oldest_by_count, fitting), number + 1), state.kept_from)

    def _total_at(self, connection: OwnConnection, state: LogState, number: int) -> int:
        """The bytes of all events up to a number."""
        if number < state.kept_from:
            return state.total_cut
        row = connection.execute(
            "SELECT total FROM notification_hub_run_log_event WHERE run = %s AND number = %s",
            [state.run, number],
        ).fetchone()
        if row is None:
            raise RunLogLost(state.number)
        return int(row[0])

    def _snapshot(self, connection: OwnConnection, state: LogState) -> bytes | None:
        if state.snapshot_number == 0:
            return None
        row = connection.execute(
            "SELECT object FROM notification_hub_run_log_snapshot WHERE run = %s", [state.run]
        ).fetchone()
        if row is None:
            raise RunLogLost(state.number)
        return str(row[0]).encode("ascii")

    def _store_snapshot(self, connection: OwnConnection, run: str, snapshot: bytes) -> None:
        connection.execute(
            "INSERT INTO notification_hub_run_log_snapshot (run, object) VALUES (%s, %s)"
            " ON CONFLICT (run) DO UPDATE SET object = EXCLUDED.object",
            [run, snapshot.decode("ascii")],
        )

    def _load(self, connection: OwnConnection, run: str) -> LogState | None:
        """The state of a log; None where there is none, or its time is over."""
        row = connection.execute(_SELECT, [run]).fetchone()
        state = LogState(*row) if row else None
        return state if state is not None and state.expires_at > connection.now() else None

    def _load_any(self, connection: OwnConnection, run: str) -> LogState:
        state = self._load(connection, run)
        if state is None:
            raise RunLogLost(0)
        return state

    def _store(self, connection: OwnConnection, state: LogState) -> None:
        connection.execute(_UPDATE, [*astuple(state), state.run])

    def _remove(self, connection: OwnConnection, run: str) -> None:
        for statement in _REMOVALS:
            connection.execute(statement, [run])

    def _end_of_life(self, connection: OwnConnection, max_seconds: float) -> int:
        life = max_seconds + self._limits.kept_seconds + _GRACE_SECONDS
        return connection.now() + round(life * SECOND)

    @contextmanager
    def _changing(self, run: str) -> Iterator[tuple[OwnConnection, LogState]]:
        """The state of a run, which is stored afterwards; what was found out by a refusal too."""
        refusal: RunLogRefusal | None = None
        with self._writing(run) as connection:
            state = self._load_any(connection, run)
            try:
                yield connection, state
            except RunLogRefusal as refused:
                refusal = refused
            self._store(connection, state)
        if refusal is not None:
            raise refusal

    @contextmanager
    def _writing(self, *runs: str) -> Iterator[OwnConnection]:
        with self._own.writing() as connection:
            connection.lock(runs)
            yield connection


def _ended(state: LogState, *, is_new: bool) -> Ended:
    return Ended(state.end_kind, state.end_number, cursor_text(state.epoch, state.end_number), is_new)
