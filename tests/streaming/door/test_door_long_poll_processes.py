"""Long polls of a real hub process: many wait at once, cost it nothing, and are answered when another process
commits.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection

from notifications import services
from notifications.streaming.process.long_polls import MAX_LONG_POLLS_PER_USER
from tests.helpers.factories import make_user, send
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import HubProcess, session_headers
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

USERS = 17


def thread_count(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def backend_count() -> int:
    """The database's connections beside this one; SQLite has none."""
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
            "pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_a_hundred_polls__hold_no_thread_and_no_connection__and_each_is_answered_when_it_is_its_turn(
    start_hub: Callable[..., HubProcess],
) -> None:
    elsewhere = backend_count()
    hub = start_hub(env={"HUB_RECONCILE_SECONDS": "300"})
    users = [make_user() for _ in range(USERS)]
    with ExitStack() as opened:

        def begin(cookie: str, after: str) -> socket.socket:
            polling = opened.enter_context(
                socket.create_connection((HOST, hub.port), timeout=PATIENCE_SECONDS)
            )
            polling.sendall(
                f"GET /api/v1/notifications/changes?after={after}&wait=25 HTTP/1.1\r\n"
                f"Host: {HOST}:{hub.port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode()
            )
            return polling

        polls, begun = list[socket.socket](), 0.0
        for user in users:
            begun = time.monotonic()
            after, cookie = str(services.open_inbox(user.pk).cursor), session_headers(user)["Cookie"]
            polls += [begin(cookie, after) for _ in range(MAX_LONG_POLLS_PER_USER)]
        send(users[-1])
        for polling in polls[-MAX_LONG_POLLS_PER_USER:]:
            assert [change["position"] for change in answer(polling)["changes"]] == [1]
        assert time.monotonic() - begun < 20  # none of the last user's was answered because its time was over
        # The four of the stream, the sweeper's, Django's one, and what the server and the libraries have.
        assert thread_count(hub.pid) < 40
        assert backend_count() - elsewhere <= 8
        for user in users[:-1]:
            send(user)
        for polling in polls[:-MAX_LONG_POLLS_PER_USER]:
            assert [change["position"] for change in answer(polling)["changes"]] == [1]


def answer(polling: socket.socket) -> dict[str, list[dict[str, int]]]:
    received = bytearray()
    while chunk := polling.recv(65_536):
        received += chunk
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    document: dict[str, list[dict[str, int]]] = json.loads(body)
    return document


def test_process_that_stops__answers_whoever_waits(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub()
    ada = make_user("ada")
    state = services.open_inbox(ada.pk)
    with socket.create_connection((HOST, hub.port), timeout=PATIENCE_SECONDS) as polling:
        polling.sendall(
            f"GET /api/v1/notifications/changes?after={state.cursor}&wait=25 HTTP/1.1\r\n"
            f"Host: {HOST}:{hub.port}\r\nCookie: {session_headers(ada)['Cookie']}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        with hub.stream(ada) as stream:
            stream.expect("stream.live")
        begun = time.monotonic()
        hub.stop()
        assert answer(polling)["changes"] == []
        assert time.monotonic() - begun < 20
    assert wait_until(lambda: not hub.is_running())
