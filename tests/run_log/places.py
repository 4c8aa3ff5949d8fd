"""The places where the tests keep logs of runs, and short ways to tell a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from notifications.run_log.answers import AppendRequest, LogLimits, Page, StoredEvent
from notifications.run_log.log import RunLog
from notifications.run_log.own_connection import OwnConnection
from notifications.run_log.redis_store import RedisStore
from notifications.run_log.sql_store import SqlStore
from notifications.run_log.sqlite_connection import SqliteConnection
from notifications.runs.events import RunEvent
from tests.helpers.waiting import PATIENCE_SECONDS

LIMITS: Final = LogLimits(max_events=10_000, max_bytes=4 * 1024 * 1024, kept_seconds=3_600)
LEASE: Final = "the secret of the lease"
STARTED: Final = RunEvent("run.started", {"type": "chat.answer", "owner": "ada", "title": "An answer"})
COMPLETED: Final = RunEvent("run.completed", {"result": 1})
# Opens the log that is in one place; each has connections of its own, as each process has.
OpenLog = Callable[..., RunLog]


def redis_log(url: str, *, limits: LogLimits = LIMITS, max_wait_seconds: float = PATIENCE_SECONDS) -> RunLog:
    """The log in a Redis."""
    host = {"address": url}
    return RunLog(RedisStore(host, prefix="hub:test", limits=limits, max_wait_seconds=max_wait_seconds))


def sqlite_log(
    path: Path, *, limits: LogLimits = LIMITS, max_wait_seconds: float = PATIENCE_SECONDS
) -> RunLog:
    """The log in a SQLite file."""
    return sql_log(SqliteConnection(path, max_wait_seconds=max_wait_seconds), limits=limits)


def sql_log(connection: OwnConnection, *, limits: LogLimits = LIMITS) -> RunLog:
    """The log in tables."""
    return RunLog(SqlStore(connection, limits=limits))


def text(delta: str) -> RunEvent:
    """The next words of an answer."""
    return RunEvent("run.text", {"message": "m1", "delta": delta})


def request(run: str, after: int, *deltas: str, lease: str = LEASE) -> AppendRequest:
    """What a producer appends; its digest is that of what it says."""
    digest = hashlib.sha256(json.dumps([after, *deltas]).encode()).hexdigest()
    return AppendRequest(run, lease, after, digest, [text(delta) for delta in deltas])


def append(log: RunLog, run: str, after: int, *deltas: str, lease: str = LEASE) -> int:
    """Append words, and return the number that was reached."""
    asked = request(run, after, *deltas, lease=lease)
    return log.append(run, lease, after=after, digest=asked.digest, events=asked.events).number


def read_all(log: RunLog, run: str, after: str | None = "earliest", **options: Any) -> list[StoredEvent]:
    """All events after a cursor, in pages; none of them may be a reset."""
    found: list[StoredEvent] = []
    pages = [log.read(run, after, **options)]
    while pages[-1].has_more:
        pages.append(log.read(run, pages[-1].cursor, **options))
    for page in pages:
        assert not page.is_reset
        found += page.events
    return found


def said(page_or_events: Page | list[StoredEvent]) -> str:
    """The words of some events."""
    events = page_or_events.events if isinstance(page_or_events, Page) else page_or_events
    return "".join(json.loads(event.to_json()).get("delta", "") for event in events)


def answer_of(log: RunLog, run: str) -> str:
    """The words of a whole run, as somebody sees them who comes late."""
    parts = log.fold(run).to_json()["transcript"]["parts"]
    return "".join(part["text"] for part in parts)
