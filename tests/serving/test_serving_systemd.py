"""`manage.py serve` as systemd starts it: with a socket that was listened on before, and a word when it
serves.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import ROOT, hub_environment
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS

pytestmark = [pytest.mark.system]

# What systemd does before it executes the service: it listens, puts the socket at 3, and names the process.
LAUNCHER = """
import os, socket, sys
kind, host = sys.argv[1:3]
made = socket.create_server((host, 0)) if kind == "tcp" else socket.socket(socket.AF_UNIX)
if kind == "unix":
    made.bind(sys.argv[3])
    made.listen()
print("port", made.getsockname()[1] if kind == "tcp" else 0, flush=True)
if made.fileno() != 3:
    os.dup2(made.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "hub.socket"}
os.execv(sys.executable, [sys.executable, "manage.py", "serve", "--port", "1"])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = GuardedFolder("hub-sd-")
    yield made.path
    made.remove()


def start(folder: Path, kind: str, env: dict[str, str]) -> GuardedProcess:
    command = [sys.executable, "-c", LAUNCHER, kind, HOST, str(folder / "hub.sock")]
    return GuardedProcess(command, log=folder / "log", env=hub_environment(env), cwd=ROOT)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.shape("production"))])
def test_serve__with_a_socket_of_systemd__answers_there_and_says_when(
    transactional_db: None, folder: Path, workers: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(LONG_SECONDS)
        env = {"NOTIFY_SOCKET": str(folder / "notify"), "WEB_CONCURRENCY": workers}
        with start(folder, "tcp", env) as process:
            assert manager.recv(100) == b"READY=1"
            port = process.output().split()[1]
            assert f"Serving at http://{HOST}:{port}" in process.output()
            url = f"http://{HOST}:{port}/accounts/login"
            assert httpx.get(url, timeout=PATIENCE_SECONDS, trust_env=False).status_code < 500
            assert process.terminate() == 0


def test_serve__with_a_socket_that_it_cannot_use__one_line(transactional_db: None, folder: Path) -> None:
    with start(folder, "unix", {}) as process:
        assert process.wait(LONG_SECONDS) == 1
        assert (
            process.output().splitlines()[-1]
            == "CommandError: The socket unit must listen on an address and a port."
        )
