"""A connection that belongs to the log alone, to the tables that it makes.

Django's own connections belong to threads, to requests and to callers' transactions; nothing of that may
touch a log.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Final, Self
from weakref import WeakMethod

from notifications.run_log.answers import LogUnavailable, RunLogRefusal

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS notification_hub_run_log (
        run TEXT PRIMARY KEY, epoch TEXT NOT NULL, number BIGINT NOT NULL, lease TEXT NOT NULL,
        expires_at BIGINT NOT NULL, kept_from BIGINT NOT NULL, total BIGINT NOT NULL,
        total_cut BIGINT NOT NULL, request_after BIGINT NOT NULL, request_digest TEXT NOT NULL,
        request_number BIGINT NOT NULL, is_cancel_requested INTEGER NOT NULL, is_lost INTEGER NOT NULL,
        end_kind TEXT NOT NULL, end_number BIGINT NOT NULL, snapshot_number BIGINT NOT NULL)""",
    """CREATE INDEX IF NOT EXISTS notification_hub_run_log_expires_at
        ON notification_hub_run_log (expires_at)""",
    """CREATE TABLE IF NOT EXISTS notification_hub_run_log_event (
        run TEXT NOT NULL, number BIGINT NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL,
        fields TEXT NOT NULL, total BIGINT NOT NULL, PRIMARY KEY (run, number))""",
    """CREATE TABLE IF NOT EXISTS notification_hub_run_log_snapshot (
        run TEXT PRIMARY KEY, object TEXT NOT NULL)""",
)


class OwnConnection(ABC):
    """One connection for all threads of a process, which use it one after the other.

    It is opened when it is first used, and again after a failure and after a ``fork()``.

    Args:
        max_wait_seconds: how long a transaction waits for the other threads, and for other processes.
    """

    #: What the driver raises.
    error: ClassVar[type[Exception]]
    #: How a transaction begins that writes, and how one that reads everything as of one moment.
    begin_write: ClassVar[str]
    begin_read: ClassVar[str]

    def __init__(self, *, max_wait_seconds: float) -> None:
        # First it may wait for the other threads, and then for the other processes.
        self.max_lock_seconds = max_wait_seconds / 2
        self._raw: Any = None
        self._mutex = threading.Lock()
        self._is_held_for_fork = False
        os.register_at_fork(
            before=partial(_call_if_alive, WeakMethod(self._before_fork)),
            after_in_parent=partial(_call_if_alive, WeakMethod(self._after_fork)),
            after_in_child=partial(_call_if_alive, WeakMethod(self._after_fork_in_child)),
        )

    @abstractmethod
    def open(self) -> Any:
        """Return a new connection of the driver, which begins no transaction by itself; the tables exist."""

    @abstractmethod
    def now(self) -> int:
        """Return the time in microseconds since 1970."""

    @abstractmethod
    def lock(self, runs: Sequence[str]) -> None:
        """Keep other writers away from some runs until the end of the transaction."""

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run one statement, with ``%s`` for each parameter, and return its cursor."""
        return self._raw.execute(statement, parameters)

    @contextmanager
    def writing(self) -> Iterator[Self]:
        """Begin a transaction that writes.

        Raises:
            LogUnavailable: it could not be begun, or not be committed.
        """
        with self._transaction(self.begin_write):
            yield self

    @contextmanager
    def reading(self) -> Iterator[Self]:
        """Begin a transaction that reads everything as of one moment.

        Raises:
            LogUnavailable: it could not be begun, or the reading failed.
        """
        with self._transaction(self.begin_read):
            yield self

    def close(self) -> None:
        """Close the connection; it may be used again."""
        with self._alone():
            self._drop()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """A refusal undoes it, and keeps the connection; anything else that goes wrong closes that, too."""
        with self._alone():
            try:
                if self._raw is None:
                    self._raw = self.open()
                self._raw.execute(begin)
                yield
                self._raw.execute("COMMIT")
            except RunLogRefusal:
                self._undo()
                raise
            except self.error as error:
                self._drop()
                raise LogUnavailable(repr(error)) from error
            except BaseException:
                # Such as a KeyboardInterrupt: half of a transaction may be left.
                self._drop()
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._mutex.acquire(timeout=self.max_lock_seconds):
            raise LogUnavailable("other threads have used the log for too long")
        try:
            yield
        finally:
            self._mutex.release()

    def _undo(self) -> None:
        try:
            self._raw.execute("ROLLBACK")
        except self.error:
            self._drop()

    def _drop(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(self.error):
                raw.close()

    def _before_fork(self) -> None:
        """Close the connection between two transactions: SQLite's locks do not pass to a child, while what it
        remembers of them does.
        """
        self._is_held_for_fork = self._mutex.acquire(timeout=self.max_lock_seconds)
        if self._is_held_for_fork:
            self._drop()

    def _after_fork(self) -> None:
        if self._is_held_for_fork:
            self._is_held_for_fork = False
            self._mutex.release()

    def _after_fork_in_child(self) -> None:
        if self._raw is not None:
            # It could not be closed, and is its parent's: closing it here would end it there.
            _INHERITED.append(self._raw)
            self._raw = None
        # A thread that does not exist here may have held the one before.
        self._mutex, self._is_held_for_fork = threading.Lock(), False


# Kept, because to forget a connection is to close it.
_INHERITED: Final[list[Any]] = []


def _call_if_alive(method: WeakMethod[Callable[[], None]]) -> None:
    if (bound := method()) is not None:
        bound()
