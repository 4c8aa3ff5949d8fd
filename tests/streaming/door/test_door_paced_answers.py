"""Readers of answers that Django streams or sends in many parts: some read all, some break off, some stop
reading and stay.

Whoever they are, they hold no database connection while they are waited for, and leave nothing behind, under
each server and under Django's own handler as under the hub's.
"""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import struct
from collections.abc import Callable
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import F

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.models import Inbox
from notifications.rest.http.handler import MAX_REQUEST_THREADS
from notifications.streaming.database_threads import MAX_THREADS
from tests.helpers.factories import make_user, send
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import CSRF_TOKEN, HubProcess, session_headers
from tests.helpers.staff import LIST, REPLAY_STREAM, TAIL_STREAM, make_staff
from tests.helpers.streams import complaints
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system]

SLOW_SECONDS = 2
AT_ONCE = 5
POOL_SIZE = 4  # fewer connections than exports: they can only go on together if none keeps its connection
ROWS = 250
LARGE = UntypedEvent(type_name="big.event", fields={"x": "x" * 30_000})
EXPORT = f"{LIST}export/"
ACTIONS = "/api/v1/notifications/actions"
NOTHING = f'{{"action": "read", "ids": ["{UUID(int=7)}"]}}'
FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
PEERS = 12
LEFT = re.compile(
    r"The export as (?:CSV|JSON), with content, was interrupted after (\d+) notifications: all\."
)
PLAIN = "tests.streaming.door.plain_asgi:application"
# A pool of connections is the handlers' matter; each of them is tried with one.
SERVERS = [
    pytest.param(("serve", "hub.asgi:application"), id="serve"),
    pytest.param(("daphne", "hub.asgi:application"), id="daphne", marks=pytest.mark.shape("embedded")),
    pytest.param(("uvicorn", PLAIN), id="uvicorn-django", marks=pytest.mark.shape("embedded")),
    pytest.param(("daphne", PLAIN), id="daphne-django"),
]


@pytest.fixture(params=SERVERS)
def hub(share_hub: Callable[..., HubProcess], request: pytest.FixtureRequest) -> HubProcess:
    server, application = request.param
    env = {"HUB_SLOW_READER_SECONDS": str(SLOW_SECONDS), "HUB_MAX_EXPORTS": str(AT_ONCE)}
    return share_hub(server, env=env | {"DATABASE_POOL_SIZE": str(POOL_SIZE)}, application=application)


@pytest.fixture
def vera(transactional_db: None) -> str:
    """The cookies of a member of staff who may export, and see inboxes."""
    vera = make_staff("vera", "view_notification", "view_content", "view_inbox")
    services.open_inbox(vera.pk)
    return session_headers(vera)["Cookie"]


@pytest.fixture
def large(transactional_db: None) -> None:
    """More to export than any kernel takes for a reader that does not read."""
    services.notify_many([make_user() for _ in range(ROWS)], LARGE, title="Large")


class Asking:
    """A raw client: asks, and then reads only what it is told to read. `has_room` for what it does not read
    yet, as a client has; else as little as can be.
    """

    def __init__(
        self, hub: HubProcess, cookie: str, path: str, body: str = "", *, has_room: bool = True
    ) -> None:
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        lines = [
            f"{'POST' if body else 'GET'} {path} HTTP/1.1",
            f"Host: {HOST}:{hub.port}",
            f"Cookie: {cookie}",
            f"X-CSRFToken: {CSRF_TOKEN}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
        ]
        self.socket = socket.socket()
        if not has_room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect((HOST, hub.port))
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        self.answer = HTTPResponse(self.socket)

    def begun(self) -> Asking:
        """Read the head of the answer."""
        self.answer.begin()
        return self

    def read(self) -> str:
        """All of it. Raises `IncompleteRead` when it was cut off."""
        with self.answer:
            text = self.answer.read().decode()
        self.socket.close()
        return text

    def abort(self) -> None:
        """Leave without a farewell."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.answer.close()
        self.socket.close()


def ask(hub: HubProcess, cookie: str, path: str, body: str = "", *, has_room: bool = True) -> Asking:
    """Ask, and read the head of the answer."""
    return Asking(hub, cookie, path, body, has_room=has_room).begun()


def left(hub: HubProcess) -> tuple[int, int]:
    """How many threads and files a process has."""
    threads, files = (len(list(Path(f"/proc/{hub.pid}/{kind}").iterdir())) for kind in ("task", "fd"))
    return threads, files


def settled(hub: HubProcess, vera: str) -> tuple[int, int]:
    """The same, once the threads that serve requests are there, with their connections. They come when there
    is nobody else to take a request.
    """
    with transaction.atomic():
        Inbox.objects.update(epoch=F("epoch"))  # takes SQLite's one lock
        if connection.vendor == "postgresql":
            connection.cursor().execute("LOCK TABLE notification_hub_inbox IN ACCESS EXCLUSIVE MODE")
        waiting = [Asking(hub, vera, ACTIONS, NOTHING) for _ in range(MAX_REQUEST_THREADS + 1)]
        wait_until(lambda: left(hub)[0] > MAX_REQUEST_THREADS, what="the threads that serve requests")
    for reader in waiting:
        reader.begun().read()
    works(hub, vera)
    return left(hub)


def wait_for_rest(hub: HubProcess, before: tuple[int, int]) -> None:
    """Wait until a process has no more threads and files than before, but for the four that read for streams,
    which may have come only now.
    """
    threads, files = before

    def is_at_rest() -> bool:
        now = left(hub)
        return now[0] <= threads + MAX_THREADS and now[1] <= files + 3 * MAX_THREADS

    wait_until(is_at_rest, what=f"no more threads and files than {before}, where {left(hub)} are,")


def exports_on_record() -> list[str]:
    """What the history of the staff says of exports, in their order."""
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


def parse(text: str, file_format: str) -> list[dict[str, Any]]:
    """The rows of an export."""
    csv.field_size_limit(10**6)
    return json.loads(text) if file_format == "json" else list(csv.DictReader(io.StringIO(text, newline="")))


def works(hub: HubProcess, vera: str) -> None:
    """More requests than the pool has connections are answered."""
    for _ in range(POOL_SIZE + 1):
        reader = ask(hub, vera, LIST)
        assert reader.answer.status == 200
        reader.read()


def ended() -> list[str]:
    """What the history says of exports, once all of them have ended."""
    wait_until(
        lambda: not any("was started" in text for text in exports_on_record()), what="the end of all exports"
    )
    return exports_on_record()


def grumbles(hub: HubProcess, since: int) -> list[str]:
    """What the log holds since then that somebody would have to look at; that an export was refused is none
    of it.
    """
    return [line for line in complaints(hub.output()[since:]) if "Too Many Requests" not in line]


def test_exports__read_left_and_never_read__hold_no_connection_and_leave_nothing_behind(
    hub: HubProcess, vera: str, large: None
) -> None:
    since, before = len(hub.output()), settled(hub, vera)
    # Read.
    for file_format in ("csv", "json"):
        for _ in range(2 * POOL_SIZE):
            none = ask(hub, vera, f"{EXPORT}?type=none.at_all", f"format={file_format}").read()
            assert parse(none, file_format) == []
        whole = parse(ask(hub, vera, EXPORT, f"format={file_format}").read(), file_format)
        assert len({row["recipient"] for row in whole}) == ROWS
        assert ended()[-1] == f"Exported as {file_format.upper()}, with content: all."
    works(hub, vera)
    done = len(ended())
    # Left.
    for file_format in ("csv", "json"):
        readers = [ask(hub, vera, EXPORT, f"format={file_format}", has_room=False) for _ in range(AT_ONCE)]
        for reader in readers:
            assert reader.answer.status == 200
            reader.answer.read(10_000)
            reader.abort()
        assert all(LEFT.fullmatch(text) for text in ended()[done:])
    works(hub, vera)
    done = len(ended())
    # Never read. Each is let go of after its time, so on a very busy machine it may take more than one crowd
    # to be too many at once.
    stalled: list[Asking] = []
    refused: list[Asking] = []
    while not refused and len(stalled) < 20 * AT_ONCE:
        crowd = [Asking(hub, vera, EXPORT, "format=csv", has_room=False) for _ in range(3 * AT_ONCE)]
        for asking in crowd:
            (stalled if asking.begun().answer.status == 200 else refused).append(asking)
    assert refused
    assert len(stalled) >= AT_ONCE
    for asking in refused:
        assert (asking.answer.status, asking.answer.headers["Retry-After"]) == (429, "10")
        assert asking.read().startswith("Too many exports are running. Nothing was exported")
    works(hub, vera)
    # Each was read only as far as it was written, also by Daphne, which would take all of it.
    assert [LEFT.fullmatch(text)[1] for text in ended()[done:]] == ["200"] * len(stalled)  # type: ignore[index]
    wait_for_rest(hub, before)
    for reader in stalled:
        reader.abort()
    assert ask(hub, vera, f"{EXPORT}?type=none.at_all", "format=json").read() == "[\n]\n"
    assert grumbles(hub, since) == []


@pytest.mark.shape("embedded")  # PostgreSQL stores no such row
def test_exports__that_fail_on_the_way__are_cut_off_say_so_and_are_recorded_as_failed(
    hub: HubProcess, vera: str
) -> None:
    before = settled(hub, vera)
    send(make_user("ada"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notification_hub_notification SET read_at = '2026-13-45 00:00:00'")
    for file_format in ("csv", "json") * POOL_SIZE:
        reader = ask(hub, vera, f"{EXPORT}?recipient=ada", f"format={file_format}")
        with pytest.raises(IncompleteRead) as cut:
            reader.read()
        reader.abort()
        text = cut.value.partial.decode()
        assert "This export failed here and is not complete." in text.splitlines()[-1]
        assert file_format == "csv" or "]" not in text
        record = (
            f"The export as {file_format.upper()}, with content, failed after 0 notifications: recipient=ada."
        )
        assert ended()[-1] == record
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notification_hub_notification SET read_at = NULL")
    works(hub, vera)
    wait_for_rest(hub, before)
    assert "month must be in 1..12" in hub.output()


@pytest.mark.shape("embedded")  # what holds a connection is the exports' matter; the rest is the servers'
def test_other_long_answers__read_left_and_never_read__leave_nothing_behind(
    hub: HubProcess, vera: str
) -> None:
    since, before = len(hub.output()), settled(hub, vera)
    replayed = f"{REPLAY_STREAM}?inbox={Inbox.objects.latest('pk').user_id}&after=0&speed=1"
    stalled: list[Asking] = []
    for path in (FILE, "/api/v1/schema", LIST, TAIL_STREAM, replayed):
        for _ in range(PEERS // 2):
            reader = ask(hub, vera, path)
            assert reader.answer.status == 200
            if reader.answer.headers["Content-Type"].startswith("text/event-stream"):
                assert reader.answer.readline()
                reader.abort()
            else:
                assert reader.read()
        for _ in range(PEERS // 2):
            ask(hub, vera, path, has_room=False).abort()
        stalled += [ask(hub, vera, path, has_room=False) for _ in range(PEERS if path == FILE else 2)]
    works(hub, vera)
    # Of the file there is more than any kernel takes for its readers.
    wait_for_rest(hub, (before[0], before[1] + len(stalled) - PEERS))
    for reader in stalled:
        reader.abort()
    wait_for_rest(hub, before)
    assert grumbles(hub, since) == []
