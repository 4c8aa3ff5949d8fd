"""`make run-production`: the whole production shape on one machine, for real."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.processes import ROOT
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]


def run(folder: Path, port: int) -> GuardedProcess:
    """Start it, and wait until it serves."""
    command = [sys.executable, "-m", "scripts.run_production", "--folder", str(folder), "--port", str(port)]
    process = GuardedProcess(command, log=folder / f"log-{port}", cwd=ROOT)

    def serves() -> bool:
        assert process.is_running(), process.output()
        return "with 2 workers" in process.output()

    wait_until(serves, timeout=LONG_SECONDS, what="two workers")
    return process


def database_url(folder: Path) -> str:
    (url,) = re.findall(r"^export DATABASE_URL=(.+)$", (folder / "environment").read_text(), re.M)
    return str(url)


def test_run_production__serves_with_two_workers__keeps_its_data__and_ends_everything() -> None:
    kept = GuardedFolder("hub-run-")
    # PostgreSQL runs as another user where this one is root.
    kept.path.chmod(0o755)
    try:
        port = free_port()
        with run(kept.path, port) as first:
            (password,) = re.findall(r"Log in as admin / (\S+) ", first.output())
            log_in(port, password)
            url = database_url(kept.path)
            first.send_signal(signal.SIGINT)
            first.send_signal(signal.SIGTERM)
            assert first.wait(LONG_SECONDS) == 0
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(url, connect_timeout=5)
        port = free_port()
        with run(kept.path, port) as second:
            assert "Log in as" not in second.output()
            log_in(port, password)
            assert second.terminate(40) == 0
    finally:
        kept.remove()


def log_in(port: int, password: str) -> None:
    """As people do, with the page's form, over plain http."""
    with httpx.Client(
        base_url=f"http://{HOST}:{port}", follow_redirects=True, trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        form = client.get("/")
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)[:1]
        answer = client.post(
            form.url, data={"csrfmiddlewaretoken": token, "username": "admin", "password": password}
        )
        assert answer.url.path == "/"
        assert client.get("/api/v1/notifications").status_code == 200
