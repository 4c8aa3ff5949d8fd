"""Real hub processes on loopback, against the database and the Redis of the test that starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.streams import LiveStream, unverified_tls
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).resolve().parents[2]
HUB_APPLICATION = "hub.asgi:application"
CSRF_TOKEN = "0123456789abcdefghijklmnopqrstuv"

ServerName = Literal["serve", "daphne", "uvicorn"]


def command_line(server: ServerName, port: int, application: str = HUB_APPLICATION) -> list[str]:
    """How each of the supported servers is started. `serve` serves what the settings name."""
    if server == "serve":
        return [sys.executable, str(ROOT / "manage.py"), "serve", "--host", HOST, "--port", str(port)]
    if server == "daphne":
        return [sys.executable, "-m", "daphne", "-b", HOST, "-p", str(port), application]
    return [sys.executable, "-m", "uvicorn", "--host", HOST, "--port", str(port), application]


def current_database_url() -> str:
    """Where the test database is, as `DATABASE_URL` wants it, for another process to use."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    password = f":{values['PASSWORD']}" if values["PASSWORD"] else ""
    return f"postgres://{values['USER']}{password}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


def hub_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a hub process that shares this test's database, Redis and secret. `extra` wins."""
    shared = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DEBUG": "1",
        "SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": current_database_url(),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
    return {**os.environ, **shared, **(extra or {})}


def manage(*arguments: str, env: Mapping[str, str] | None = None, timeout: float = LONG_SECONDS) -> str:
    """Run `manage.py` in a process of its own on the test's database, and return what it printed.

    Raises `AssertionError` with its output when it fails.
    """
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=hub_environment(env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if outcome.returncode != 0:
        raise AssertionError(f"manage.py {arguments[0]} failed:\n{outcome.stdout}{outcome.stderr}")
    return outcome.stdout


class HubProcess:
    """One hub process that answers. `env` adds to its environment; it keeps its port over `restart()`."""

    def __init__(
        self,
        server: ServerName = "serve",
        *,
        env: Mapping[str, str] | None = None,
        application: str = HUB_APPLICATION,
    ) -> None:
        self.server: ServerName = server
        self._application = application
        self.port = free_port()
        self._folder = GuardedFolder("hub-live-")
        # What a killed supervisor could not remove goes with the folder.
        self._env = {**hub_environment(env), "TMPDIR": str(self._folder.path)}
        self._streams: list[LiveStream] = []
        self._clients: list[httpx.Client] = []
        self._process: GuardedProcess | None = None
        try:
            self.start()
        except BaseException:
            self.end()
            raise

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the one that runs now."""
        return self._running().pid

    def start(self) -> None:
        """Start it, again after `stop()` or `kill()`, and wait until it answers.

        Raises `AssertionError` with its log when it ends instead.
        """
        if self._process is not None:
            self._process.end()
        log = self._folder.path / "log"
        self._process = GuardedProcess(self._command(), log=log, env=self._env, cwd=ROOT)
        wait_until(self._accepts, timeout=LONG_SECONDS, what=f"{self.server} on port {self.port}")

    def _command(self) -> list[str]:
        return command_line(self.server, self.port, self._application)

    def _accepts(self) -> bool:
        if not self._running().is_running():
            raise AssertionError(f"{self.server} ended at once:\n{self.output()}")
        try:
            # An answer, not just a connection: the kernel accepts those while the application is still being
            # imported.
            httpx.get(
                self.base_url + "/is-it-up", timeout=LONG_SECONDS, trust_env=False, verify=unverified_tls()
            )
        except httpx.TransportError:
            return False
        return True

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise RuntimeError("the hub was never started")
        return self._process

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running().is_running()

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._running().send_signal(number)

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the return code. Raises `subprocess.TimeoutExpired` when
        it hangs.
        """
        return self._running().terminate(LONG_SECONDS)

    def wait(self) -> int:
        """Wait for its end, which a signal has asked for, and return the return code. Raises
        `subprocess.TimeoutExpired`.

        Never by another signal: one that comes while Python itself ends kills the process.
        """
        return self._running().wait(LONG_SECONDS)

    def kill(self) -> None:
        """Kill it as a crash would."""
        self._running().kill()

    def restart(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.start()

    def output(self) -> str:
        """All that it has logged so far, over restarts."""
        return self._running().output()

    def stream(self, user: Any | None = None, query: str = "", **options: Any) -> LiveStream:
        """Open the user's stream here, or the one at `path`; `query` goes after `?`, other `options` to
        `LiveStream`. It is closed with the process at the latest.
        """
        headers = {**session_headers(user), **options.pop("headers", {})}
        path = options.pop("path", "/api/v1/notifications/stream")
        url = f"{self.base_url}{path}{'?' if query else ''}{query}"
        stream = LiveStream(url, headers=headers, **options)
        self._streams.append(stream)
        return stream

    def client(self, user: Any | None = None) -> httpx.Client:
        """An HTTP client that is logged in as `user` and passes the CSRF check. It is closed with the
        process.
        """
        headers = {**session_headers(user), "X-CSRFToken": CSRF_TOKEN, "Referer": self.base_url + "/"}
        client = httpx.Client(
            base_url=self.base_url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
        )
        self._clients.append(client)
        return client

    def end(self) -> None:
        """Close what was opened here and end the process, whatever state it is in. May be called again."""
        self.close_clients()
        if self._process is not None:
            self._process.end()
        self._folder.remove()

    def close_clients(self) -> None:
        """Close the streams and clients that were opened here; the process runs on, for another test."""
        while self._streams:
            self._streams.pop().close()
        while self._clients:
            self._clients.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()


def session_headers(user: Any | None) -> dict[str, str]:
    """The cookies of a new session of `user`, and a CSRF cookie. It is no login: nobody is told of it."""
    cookies = {settings.CSRF_COOKIE_NAME: CSRF_TOKEN}
    if user is not None:
        cookies[settings.SESSION_COOKIE_NAME] = new_session_key(user)
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def new_session_key(user: Any) -> str:
    """Make a session of `user` in the test database without Django's login signals, and return its key."""
    session = SessionStore()
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)
