"""``manage.py doctor``: content with a hub that is well, and right about what is not."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import Error
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from django.utils import timezone

from notifications import selectors, services
from notifications.models import Event, Notification
from notifications.ops import canary, doctor
from notifications.ops.other_installations import UNNAMED, finding_about
from notifications.selectors import DatabaseIdentity
from notifications.system.installation import Installation
from tests.helpers.factories import send
from tests.helpers.machine.servers import RedisServer
from tests.helpers.oracle import listed
from tests.helpers.processes import HubProcess, manage
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

CLOSED = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
    }
}


def run(*arguments: str) -> tuple[dict[str, str], str]:
    """The level of each subject, and the error that the command ends with."""
    out, failure = StringIO(), ""
    try:
        call_command("doctor", *arguments, stdout=out, stderr=StringIO(), no_color=True)
    except CommandError as raised:
        failure = str(raised)
    lines = [line.split(maxsplit=2) for line in out.getvalue().splitlines()]
    return {subject: f"{level} {text}" for level, subject, text in lines}, failure


def test_doctor__of_a_hub_that_is_well__finds_nothing(ada: User) -> None:
    send(ada)
    found, failure = run()
    assert {subject: text.split()[0] for subject, text in found.items()} == dict.fromkeys(
        ["settings", "database", "migrations", "sweeper", "layer", "identity",
         *(["clock", "neighbours"] if connection.vendor == "postgresql" else [])],
        "ok",
    )  # fmt: skip
    assert failure == ""


@pytest.mark.shape("production")
def test_doctor__measures_the_layer_and_the_clock() -> None:
    found, _ = run()
    assert "RedisPubSubChannelLayer: there and back in " in found["layer"]
    # The quickest of some: a machine that stood still in between is no failure.
    assert any("the database's clock is 0." in run()[0]["clock"] for _ in range(4))
    assert "PostgreSQL" in found["database"]


@pytest.mark.shape("embedded")
@pytest.mark.parametrize(
    ("found", "level", "texts"),
    [
        ({}, "ok", ["0 processes of this installation", "nobody else"]),
        ({"OURS": 2, "FORMER": 2}, "ok", ["2 processes of this installation", "nobody else"]),
        ({"OURS": 1, "f" * 16: 3}, "warning", ["1 process of", f"{'f' * 16} (3 processes).", "do not hear"]),
        ({UNNAMED: 1}, "warning", ["0 processes of", "without a name (1 process)."]),
        (
            {f"{number:016x}": 1 for number in range(9)},
            "warning",
            ["0000000000000004 (1 process) and 4 more"],
        ),
    ],
    ids=["nobody", "alone", "another", "older", "many"],
)
def test_neighbours__say_what_they_mean(found: dict[str, int], level: str, texts: list[str]) -> None:
    ours = Installation.derive("new", ["old"], identity="a database")
    known = {"OURS": ours.name, "FORMER": ours.former[0].name}
    finding = finding_about(ours, {known.get(name, name): count for name, count in found.items()})
    assert finding.level == level
    for text in texts:
        assert text in finding.text


@pytest.mark.shape("production")
def test_neighbours__where_redis_permits_no_such_question__are_not_looked_for(
    redis_server: RedisServer,
) -> None:
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "hub", "on", "nopass", "~*", "&*", "+@all", "-pubsub")
    hosts = [{"address": redis_server.url.replace("redis://", "redis://hub:any@")}]
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": hosts}}
    with override_settings(CHANNEL_LAYERS={"default": layer}):
        found, failure = run()
    assert found["layer"].startswith("ok ")
    assert found["neighbours"].startswith("ok not looked for: ")
    assert failure == ""


def test_identity__that_another_hub_might_have__warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "database_identity", lambda: DatabaseIdentity("x", is_certain=False))
    assert "GRANT EXECUTE ON FUNCTION pg_control_system()" in run()[0]["identity"]
    with override_settings(NOTIFICATION_HUB={"installation": "of-ones-own"}):
        assert run()[0]["identity"].endswith("by SECRET_KEY and HUB_INSTALLATION")


@override_settings(CHANNEL_LAYERS=CLOSED)
def test_doctor__of_a_lost_layer__is_an_error() -> None:
    found, failure = run()
    assert found["layer"].startswith("error no message came back")
    assert failure == "1 error."


@override_settings(CHANNEL_LAYERS={})
def test_doctor__of_no_layer__warns() -> None:
    found, failure = run()
    assert found["layer"].startswith("warning there is none")
    assert failure == ""


def test_doctor__of_a_database_that_is_gone__says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> Any:
        raise OperationalError("connection refused\n  is it running?")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", gone)
    found, failure = run("--url", "http://127.0.0.1:1", "--user", "nobody")
    assert found["database"] == "error cannot be had: connection refused is it running?"
    assert set(found) == {"settings", "database", "layer"}
    assert failure == "1 error."


def answers(monkeypatch: pytest.MonkeyPatch, **rows: Any) -> None:
    """Let the database answer some questions otherwise."""
    ask = doctor._row
    monkeypatch.setattr(
        doctor, "_row", lambda sql: next((row for part, row in rows.items() if part in sql), None) or ask(sql)
    )


@pytest.mark.shape("embedded")
def test_doctor__of_sqlite_without_a_log__warns(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, journal_mode=("delete",))
    assert run()[0]["database"].startswith("warning SQLite in the journal mode delete")


@pytest.mark.shape("production")
@pytest.mark.parametrize(
    ("row", "level"),
    [(("18", True, "on"), "error is a replica"), (("18", False, "off"), "warning synchronous_commit")],
)
def test_doctor__of_postgresql_that_is_not_right__says_so(
    monkeypatch: pytest.MonkeyPatch, row: Any, level: str
) -> None:
    answers(monkeypatch, server_version=row)
    assert run()[0]["database"].startswith(level)


@pytest.mark.shape("production")
@pytest.mark.parametrize(("seconds", "text"), [(9_000, "ahead"), (-9_000, "behind")])
def test_doctor__of_another_clock__warns(monkeypatch: pytest.MonkeyPatch, seconds: int, text: str) -> None:
    answers(monkeypatch, clock_timestamp=(timezone.now() + timedelta(seconds=seconds),))
    found, failure = run()
    # It goes on while the command runs.
    assert re.match(rf"warning the database's clock is [89]\d\d\d\.\d+ s {text};", found["clock"])
    assert failure == ""


def test_doctor__of_missing_migrations__is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_migrations", lambda: {("notification_hub", "0099_new")})
    found, failure = run()
    assert found["migrations"] == "error 1 are not applied yet; run: manage.py migrate"
    assert failure == "1 error."


def test_doctor__of_a_database_without_tables__says_what_to_do_and_no_more(tmp_path: Path) -> None:
    empty = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3", "REDIS_URL": ""}
    for options in ([], ["--url", "http://127.0.0.1:1", "--user", "ada"]):
        with pytest.raises(AssertionError) as failed:
            manage("doctor", *options, env=empty)
        assert "run: manage.py migrate" in str(failed.value)
        assert "Traceback" not in str(failed.value)


def test_doctor__of_a_system_check_that_complains__repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Error("It is wrong.", hint="Mend it.", id="hub.E1")
    monkeypatch.setattr("django.core.checks.run_checks", lambda **options: [] if options else [message])
    assert run()[0]["settings"] == "error hub.E1: It is wrong. Mend it."


def test_doctor__of_what_waits_too_long__warns(ada: User) -> None:
    old = timezone.now() - timedelta(minutes=2)
    send(ada)
    Notification.objects.update(expires_at=old)
    event = Event.objects.create(type="orders.order.shipped", title="t")
    Event.objects.update(created_at=old)
    for fields in (
        {},
        {"deliver_at": old},
        {"failed_at": old},
        {"deliver_at": timezone.now() + timedelta(days=1)},
    ):
        Notification.objects.create(recipient=ada, event=event, **fields)
    found, failure = run()
    assert found["sweeper"].startswith(
        "warning 2 notifications wait for their position and 1 are past their end"
    )
    assert found["failed"].startswith("warning 1 notifications could not be shown")
    assert failure == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "https://hub.example.com"], "--url needs --user"),
        *((["--url", url, "--user", "ada"], "is no address") for url in (
            "hub.example.com", "http://[::1", "http://hub:99999", "http://hub:x", "http://a b/",
            "http://hub/a b", "http://hub/?x=1", "ftp://hub", "http://",
        )),
        (["--url", "http://127.0.0.1:1", "--user", "nobody"], "There is no user 'nobody'"),
    ],
)  # fmt: skip
def test_doctor__asked_for_what_makes_no_sense__says_so(arguments: list[str], message: str) -> None:
    assert message in run(*arguments)[1]


# The canary.


@pytest.mark.system
def test_canary__through_a_real_hub__arrives_and_is_gone_again(
    ada: User, live_hub: HubProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, failure = run("--url", live_hub.base_url, "--user", "ada")
    assert found["stream"].startswith("ok opens within ")
    assert found["canary"].startswith("ok from publish to receive ")
    assert failure == ""
    assert listed(ada.pk).items == {}
    monkeypatch.setenv("PORT", str(live_hub.port))
    assert run("--user", "ada")[0]["canary"].startswith("ok from publish to receive ")
    strange = live_hub.base_url.replace("127.0.0.1", "127.1")
    assert (
        "400 application/problem+json: The Host header is"
        in run("--url", strange, "--user", "ada")[0]["canary"]
    )


def test_canary__where_nobody_answers__is_an_error(ada: User) -> None:
    found, failure = run("--url", "http://127.0.0.1:1", "--user", "ada")
    assert "cannot be reached" in found["canary"]
    assert failure == "1 error."


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
LIVE = b"\r\nevent: stream.live\ndata: {}\n\n"


@contextmanager
def proxy(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server for one connection; `serve` answers it after the request has come, and may wait for the client
    to go.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run_once() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(65_536)
                serve(peer)

        thread = threading.Thread(target=run_once, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def until_gone(peer: socket.socket) -> None:
    while peer.recv(65_536):
        pass


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
            "no stream but 502 text/html",
        ),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n", ", to https://x/"),
        (OK + b"Content-Encoding: gzip\r\n\r\n", "compresses the stream (gzip)"),
        (OK + b"\r\n", "cuts the stream off"),
        (b"nonsense\r\n\r\n", "cannot be reached"),
    ],
)
def test_canary__through_a_proxy_that_spoils_it__names_the_reason(
    ada: User, answer: bytes, text: str
) -> None:
    with proxy(lambda peer: peer.sendall(answer)) as url:
        assert text in run("--url", url, "--user", "ada")[0]["canary"]


@pytest.mark.parametrize("answer", [b"", OK + b"\r\n", OK + LIVE], ids=["no-answer", "no-frame", "no-canary"])
def test_canary__through_a_proxy_that_buffers__is_an_error(
    ada: User, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(canary, "WAIT_SECONDS", 0.5)

    def hold_back(peer: socket.socket) -> None:
        peer.sendall(answer)
        until_gone(peer)

    with proxy(hold_back) as url:
        found, failure = run("--url", url, "--user", "ada")
    assert "a proxy holds the stream back" in found["canary"]
    assert failure == "1 error."
    assert listed(ada.pk).items == {}


def test_canary__that_comes_late__is_a_warning(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "QUICK_SECONDS", -1)
    notified = threading.Event()
    sent: list[Any] = []

    def notify(*args: Any, **options: Any) -> Any:
        sent.append(services.notify(*args, **options))
        notified.set()
        return sent[0]

    def late(peer: socket.socket) -> None:
        peer.sendall(OK + LIVE)
        notified.wait(PATIENCE_SECONDS)
        frame = f'event: notification.created\ndata: {{"notification": {{"id": "{sent[0]}"}}}}\n\n'
        peer.sendall(b"event: stream.heartbeat\ndata: {}\n\n" + frame.encode())
        until_gone(peer)

    monkeypatch.setattr(canary, "services", Recorded(notify))
    with proxy(late) as url:
        found, failure = run("--url", url, "--user", "ada")
    assert found["canary"].startswith("warning from publish to receive ")
    assert failure == ""


class Recorded:
    """The services, one of them replaced."""

    issue_ticket, delete = staticmethod(services.issue_ticket), staticmethod(services.delete)

    def __init__(self, notify: Callable[..., Any]) -> None:
        self.notify = notify
