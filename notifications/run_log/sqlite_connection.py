"""The logs of the embedded shape: a SQLite file of their own, beside the project's database.

In the project's database itself a caller's ``atomic()`` would lock the log out for as long as it takes. Every
process of the machine can append: the server, ``manage.py``, a worker of somebody else's queue.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from notifications.run_log.own_connection import TABLES, OwnConnection

_PAUSE_SECONDS: Final = 0.01


class SqliteConnection(OwnConnection):
    """A connection to a file, which is made where it is missing.

    Args:
        path: the file.
        max_wait_seconds: how long a transaction waits.
    """

    error = sqlite3.Error
    # Its one writer is decided when the transaction begins, so that no two wait for each other.
    begin_write = "BEGIN IMMEDIATE"
    begin_read = "BEGIN"

    def __init__(self, path: Path, *, max_wait_seconds: float) -> None:
        super().__init__(max_wait_seconds=max_wait_seconds)
        self._path = path

    def open(self) -> sqlite3.Connection:
        """See ``OwnConnection``."""
        deadline = time.monotonic() + self.max_lock_seconds
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError:
                # To begin the write-ahead log takes a lock that SQLite does not wait for.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def now(self) -> int:
        """See ``OwnConnection``: all processes are on this machine."""
        return time.time_ns() // 1_000

    def lock(self, runs: Sequence[str]) -> None:
        """See ``OwnConnection``: a transaction that writes is alone in the file."""

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """See ``OwnConnection``."""
        return self._raw.execute(statement.replace("%s", "?"), parameters)

    def _open(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self._path, timeout=self.max_lock_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            raw.execute("PRAGMA journal_mode=WAL")
            # A power cut may lose the newest events, as it does with Redis, and never breaks the file.
            raw.execute("PRAGMA synchronous=NORMAL")
            raw.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                raw.execute(statement)
            raw.execute("COMMIT")
        except BaseException:
            raw.close()
            raise
        return raw
