"""`notify()` to one user: its time against that of its bare SQL on PostgreSQL, and its CPU on SQLite."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psycopg

from benchmarks import bare_sql
from benchmarks.figures import Figure
from benchmarks.machine import MILLI
from benchmarks.people import people
from benchmarks.run import Run
from notifications import services
from notifications.event_types import UntypedEvent
from tests.helpers.machine.guarded import GuardedFolder

ROUNDS = 1_000
# In turns, so that a neighbour disturbs both alike.
TURNS = 10


def measure(run: Run) -> Iterator[Figure]:
    """Both databases."""
    ada, bob = people(2)
    services.open_inbox(bob.pk)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as bare, bare.cursor() as cursor:
        hub_ms, bare_ms = in_turns(
            run.size(ROUNDS, 50),
            lambda: send(ada.pk),
            lambda: bare_sql.notify(cursor, bob.pk, begin="BEGIN", locks=True),
        )
    yield Figure(
        name="notify() on PostgreSQL, by the clock", value=hub_ms, unit="ms", baseline=bare_ms, limit=3
    )
    hub_ms, bare_ms = on_sqlite(run.size(ROUNDS, 50))
    yield Figure(name="notify() on SQLite, CPU", value=hub_ms, unit="ms", limit=2)
    yield Figure(name="its bare SQL on SQLite, CPU", value=bare_ms, unit="ms")


def send(user_id: object) -> None:
    """One notification."""
    event = UntypedEvent(type_name=bare_sql.TYPE, fields={"order_id": 7})
    services.notify(user_id, event, title=bare_sql.TITLE, body=bare_sql.BODY, url="/orders/7/")


def in_turns(
    rounds: int, *calls: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The milliseconds of each call: the median of some turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(TURNS):
        for call, times in zip(calls, taken, strict=True):
            began_at = clock()
            for _ in range(rounds // TURNS):
                call()
            times.append(MILLI * (clock() - began_at) / (rounds // TURNS))
    return [statistics.median(times) for times in taken]


def on_sqlite(rounds: int) -> tuple[float, float]:
    """What `benchmarks.sqlite_notify` measures, in a process of its own on a new database."""
    folder = GuardedFolder("hub-bench-")
    try:
        outcome = subprocess.run(
            [sys.executable, "-m", "benchmarks.sqlite_notify", str(rounds)],
            env={**os.environ, "DATABASE_URL": f"sqlite:///{folder.path / 'hub.sqlite3'}", "REDIS_URL": ""},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        folder.remove()
    hub_ms, bare_ms = map(float, outcome.stdout.split())
    return hub_ms, bare_ms
