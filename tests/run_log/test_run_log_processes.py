"""Processes that produce at once, each with its own connections, and a caller's transaction beside them."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifications.run_log.log import RunLog
from notifications.run_log.opening import run_log
from tests.helpers.machine.servers import RedisServer
from tests.helpers.processes import ROOT
from tests.helpers.waiting import LONG_SECONDS
from tests.run_log.places import COMPLETED, LEASE, STARTED, append, read_all, redis_log, said, sqlite_log

WORDS = 60


@pytest.mark.shape("embedded")
@pytest.mark.parametrize("kind", ["redis", "sqlite"])
def test_append__by_four_processes_to_many_runs__numbers_have_no_gap(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    runs = [str(uuid.uuid4()) for _ in range(6)]
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("kept_redis")
        where, log = server.url, redis_log(server.url)
    else:
        where, log = str(tmp_path / "hub.runs.sqlite3"), sqlite_log(tmp_path / "hub.runs.sqlite3")
    for run in runs:
        log.begin(run, LEASE, STARTED)
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.run_log.appender", kind, where, name, str(WORDS), *runs], cwd=ROOT
        )
        for name in "abcd"
    ]
    assert [process.wait(LONG_SECONDS) for process in started] == [0, 0, 0, 0]
    told = Counter[str]()
    for run in runs:
        events = read_all(log, run)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        told.update(said(events).split())
    log.close()
    assert told == Counter(f"{name}.{word}" for name in "abcd" for word in range(WORDS))


def test_run__told_inside_a_transaction__is_seen_at_once__and_not_undone(ada: User, run: str) -> None:
    log: RunLog = run_log()
    try:
        with transaction.atomic():
            ada.first_name = "Ada"
            ada.save()
            log.begin(run, LEASE, STARTED)
            append(log, run, 1, "seen")
            assert said(read_all(log, run)) == "seen"
            transaction.set_rollback(True)
        assert append(log, run, 2, " still") == 3
        log.end(run, COMPLETED)
        assert said(read_all(log, run)) == "seen still"
        log.erase(run)
    finally:
        log.close()
        run_log.cache_clear()
