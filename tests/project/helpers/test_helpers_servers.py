"""The tests' own servers: they are real, they are the ones that were started, and nothing of them outlives
the run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.machine.servers import PostgresServer, RedisServer
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until, wait_until_async

pytestmark = pytest.mark.shape("embedded")

ROOT = Path(__file__).resolve().parents[3]


def is_alive(pid: int) -> bool:
    """Whether the process exists and is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_redis__killed_and_restarted__comes_back_empty_on_the_same_port(redis_server: RedisServer) -> None:
    before = redis_server.pid, redis_server.url
    with redis_server.client() as client:
        client.set("name", "ada")
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("name")
        redis_server.start()
        assert client.get("name") is None
    assert redis_server.pid != before[0]
    assert redis_server.url == before[1]


def test_redis__paused__accepts_and_hangs_until_resumed(redis_server: RedisServer) -> None:
    with redis_server.client() as impatient:
        impatient.connection_pool.connection_kwargs["socket_timeout"] = 0.2
        redis_server.pause()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()
        redis_server.resume()
        impatient.connection_pool.connection_kwargs["socket_timeout"] = PATIENCE_SECONDS
        assert impatient.ping()


def test_redis__paused__can_be_restarted(redis_server: RedisServer) -> None:
    redis_server.pause()
    redis_server.restart()
    with redis_server.client() as client:
        assert client.ping()


def test_redis__another_one_on_its_port__is_not_taken_for_it(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.helpers.machine.servers.free_port", lambda: redis_server.port)
    with pytest.raises(RuntimeError, match=r"another Redis answers|ended at once"):
        RedisServer()


def test_postgres__queried__is_a_server_of_its_own_with_the_database_hub(
    postgres_server: PostgresServer,
) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        row = connection.execute("SELECT current_database(), current_setting('data_directory')").fetchone()
    assert row == ("hub", str(postgres_server.data))


def test_postgres__killed__keeps_what_was_committed(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        postgres_server.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres_server.start()
    with postgres_server.connect() as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_stop__of_both__leaves_no_process_and_no_folder() -> None:
    for server in (RedisServer(), PostgresServer()):
        pid, folder = server.pid, server._folder.path
        assert is_alive(pid)
        server.stop()
        server.stop()
        assert not is_alive(pid)
        assert not folder.exists()


ORPHAN_MAKER = """
import sys, time
from tests.helpers.machine.guarded import GuardedFolder
from tests.helpers.machine.servers import PostgresServer, RedisServer
started = [RedisServer(), PostgresServer()]
folder = GuardedFolder("hub-orphan-")
folders = [server._folder.path for server in started]
print(*[server.pid for server in started], *folders, folder.path, flush=True)
time.sleep(60)
"""


def test_parent__killed__takes_its_servers_and_their_folders_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN_MAKER],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        first, second, *folders = parent.stdout.readline().split()
        assert is_alive(int(first))
        assert is_alive(int(second))
        assert all(Path(folder).is_dir() for folder in folders)
        parent.kill()
    wait_until(lambda: not any(is_alive(int(pid)) for pid in (first, second)), what="the end of both")
    wait_until(
        lambda: not any(Path(folder).exists() for folder in folders), what="the removal of the folders"
    )


def test_guarded_process__ended_or_killed__tells_how(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with GuardedProcess(["sh", "-c", "echo said; exit 7"], log=log) as process:
        assert process.wait(PATIENCE_SECONDS) == 7
        assert process.output() == "said\n"
    with GuardedProcess(["sleep", "60"], log=log) as process:
        assert process.is_running()
        assert process.terminate() == -signal.SIGTERM
        process.send_signal(signal.SIGTERM)  # too late, and harmless
    with GuardedProcess(["sleep", "60"], log=log) as process:
        pid = process.pid
    assert not is_alive(pid)


def test_guarded_process__guardian_killed__dies_too(tmp_path: Path) -> None:
    with GuardedProcess(["sleep", "60"], log=tmp_path / "log") as process:
        process._guardian.kill()
        wait_until(lambda: not is_alive(process.pid), what="the end of the orphan")
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL


def test_guarded_process__program_missing__is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no-such-program could not be started"):
        GuardedProcess(["no-such-program"], log=tmp_path / "log")


def test_guarded_folder__removed__is_gone_and_may_be_removed_again() -> None:
    folder = GuardedFolder("hub-test-")
    (folder.path / "file").touch()
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


def test_free_port__asked_by_two_processes__differs() -> None:
    ask = (
        "from tests.helpers.machine.ports import HOST, free_port; "
        "print(*(free_port() for _ in range(1_000)), flush=True); input()"
    )
    command = [sys.executable, "-c", ask]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdin
        assert other.stdout
        theirs = {int(port) for port in other.stdout.readline().split()}
        ours = {free_port() for _ in range(100)}
        other.stdin.write("\n")
    assert len(theirs) == 1_000
    assert len(ours) == 100
    assert not ours & theirs


def test_free_port__asked__is_none_that_the_kernel_hands_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text("16000\t60999\n")
    monkeypatch.setattr("tests.helpers.machine.ports.LINUX_HANDS_OUT", tmp_path / "range")
    assert all(10_000 <= free_port() < 16_000 for _ in range(20))


def test_free_port__every_port_listened_on__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, free_port())) as listening:
        taken = listening.getsockname()[1]
        monkeypatch.setattr("tests.helpers.machine.ports._ports", lambda: range(taken, taken + 1))
        with pytest.raises(RuntimeError, match="is taken"):
            free_port()


async def test_wait_until__value_or_deadline__ends_it() -> None:
    values = iter([0, 0, 3])
    assert wait_until(lambda: next(values)) == 3
    with pytest.raises(TimeoutError, match=r"a miracle did not come within 0\.03 s; it was 0 at last"):
        wait_until(lambda: 0, timeout=0.03, what="a miracle")

    async def ready() -> str:
        return "ready"

    assert await wait_until_async(ready) == "ready"
    assert await wait_until_async(lambda: 4) == 4
    with pytest.raises(TimeoutError, match="a miracle"):
        await wait_until_async(lambda: 0, timeout=0.03, what="a miracle")
