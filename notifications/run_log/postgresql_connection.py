"""Logs where there is PostgreSQL and no Redis: tables in the project's database, on their own connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from notifications.run_log.own_connection import TABLES, OwnConnection

_LOCK_OF_TABLES: Final = 0x72756E6C6F67  # "runlog"


class PostgresqlConnection(OwnConnection):
    """A connection to the project's database that takes no part in anybody's transaction.

    Args:
        parameters: of ``psycopg.connect``.
        max_wait_seconds: how long a transaction waits for locks, and a statement for its answer.
    """

    error = psycopg.Error
    begin_write = "BEGIN ISOLATION LEVEL READ COMMITTED"
    begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, parameters: Mapping[str, Any], *, max_wait_seconds: float) -> None:
        super().__init__(max_wait_seconds=max_wait_seconds)
        self._parameters = dict(parameters)

    def open(self) -> psycopg.Connection:
        """See ``OwnConnection``."""
        # The least that libpq takes is two seconds.
        timeouts = {"connect_timeout": max(2, round(self.max_lock_seconds))}
        raw = psycopg.connect(**{**self._parameters, **timeouts, "autocommit": True})
        try:
            raw.execute(f"SET statement_timeout = {round(self.max_lock_seconds * 1000)}".encode())
            raw.execute("BEGIN")
            # Two that make the same table at once would fail, although each says IF NOT EXISTS.
            raw.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_OF_TABLES])
            for statement in TABLES:
                raw.execute(statement.encode())
            raw.execute("COMMIT")
        except BaseException:
            raw.close()
            raise
        return raw

    def now(self) -> int:
        """See ``OwnConnection``: the database's clock."""
        row = self.execute("SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint").fetchone()
        return int(row[0])

    def lock(self, runs: Sequence[str]) -> None:
        """See ``OwnConnection``; in one order, so that no two wait for each other."""
        self.execute(
            "SELECT pg_advisory_xact_lock(key) FROM"
            " (SELECT DISTINCT hashtextextended(run, 0) AS key FROM unnest(%s::text[]) AS run"
            " ORDER BY key) AS ordered",
            [list(runs)],
        )
