"""`manage.py serve`: what it refuses, in one line that says what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.processes import ROOT, hub_environment
from tests.helpers.waiting import LONG_SECONDS

pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]


def serve_and_fail(*arguments: str, env: dict[str, str] | None = None) -> str:
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "serve", *arguments],
        env=hub_environment(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr
    return outcome.stderr.strip().splitlines()[-1]


def test_serve__port_in_use__one_line_that_says_what_to_do(transactional_db: None) -> None:
    with closing(socket.create_server((HOST, 0))) as taken:
        told = serve_and_fail("--port", str(taken.getsockname()[1]))
    assert "in use" in told
    assert "PORT=" in told


def test_serve__no_port__one_line(transactional_db: None) -> None:
    assert "is not a port" in serve_and_fail("--port=70000")


def test_serve__database_not_migrated__says_so(transactional_db: None, tmp_path: Path) -> None:
    told = serve_and_fail(
        "--port", str(free_port()), env={"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"}
    )
    assert "manage.py migrate" in told


def test_serve__wrong_setting__refuses_by_its_name(transactional_db: None) -> None:
    told = serve_and_fail("--port", str(free_port()), env={"HUB_HEARTBEAT_SECONDS": "0"})
    assert "HUB_HEARTBEAT_SECONDS must be" in told


def test_serve__several_workers_without_postgresql_and_redis__are_refused(transactional_db: None) -> None:
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "serve", "--port=0", "--workers=2"],
        env=hub_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.count("(notification_hub.E007)") == 2


@pytest.mark.parametrize("workers", ["0", "two"])
def test_serve__no_number_of_workers__one_line(transactional_db: None, workers: str) -> None:
    assert "WEB_CONCURRENCY" in serve_and_fail("--port=0", f"--workers={workers}")
