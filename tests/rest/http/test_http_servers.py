"""REST over real servers and raw sockets: what test clients never send, because they are too polite."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications.models import Change, Inbox
from notifications.protocol.problems import PROBLEMS
from notifications.rest.http.handler import MAX_REQUEST_BYTES
from notifications.rest.http.parsers import MAX_BODY_BYTES
from tests.helpers.factories import make_user, send
from tests.helpers.processes import CSRF_TOKEN, HubProcess, ServerName, session_headers
from tests.helpers.waiting import PATIENCE_SECONDS

# The servers are the same in both shapes; tests/contract asks the application in each of them.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system, pytest.mark.shape("embedded")]

SERVERS: list[ServerName] = ["serve", "daphne", "uvicorn"]
PATH = b"/api/v1/notifications"


def ask(
    hub: HubProcess, request_line: bytes, *headers: bytes, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Send these very bytes and read one answer."""
    head = b"\r\n".join([request_line + b" HTTP/1.1", *headers, b"Connection: close", b"", b""])
    with socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE_SECONDS) as connection:
        # A server may answer before it has read all of a body that is too large.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head + body)
        response = HTTPResponse(connection, method=request_line.split(b" ")[0].decode())
        response.begin()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )


def chunked(body: bytes, size: int = 65_536) -> bytes:
    """A body whose length is not announced."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def login(hub: HubProcess, user: User) -> list[bytes]:
    """The headers of a request with a session that passes the CSRF check."""
    cookie = session_headers(user)["Cookie"]
    return [
        f"Host: 127.0.0.1:{hub.port}".encode(),
        f"Cookie: {cookie}".encode(),
        b"X-CSRFToken: " + CSRF_TOKEN.encode(),
    ]


def check_problem(status: int, headers: dict[str, str], body: bytes) -> str:
    """A problem document out of the closed list; its code."""
    assert headers["content-type"] == "application/problem+json"
    code: str = json.loads(body)["code"]
    assert PROBLEMS[code].status == status
    return code


@pytest.mark.parametrize("server", SERVERS)
def test_bodies__of_unannounced_length__are_read_up_to_the_limit(
    share_hub: Callable[..., HubProcess], server: ServerName
) -> None:
    hub, ada = share_hub(server), make_user("ada")
    public_id = send(ada)
    mine = [*login(hub, ada), b"Content-Type: application/json", b"Transfer-Encoding: chunked"]
    line = b"PATCH %b/%b" % (PATH, str(public_id).encode())

    for size in (MAX_BODY_BYTES + 1, MAX_REQUEST_BYTES + 1):
        answer = ask(hub, line, *mine, body=chunked(b'{"read": true}'.ljust(size)))
        assert check_problem(*answer) == "too_large"
    assert Inbox.objects.get(pk=ada.pk).head == 1

    status, _, body = ask(hub, line, *mine, body=chunked(b'{"read": true}', size=3))
    assert (status, json.loads(body)["id"]) == (200, str(public_id))
    assert json.loads(body)["read_at"] is not None


@pytest.mark.parametrize("server", SERVERS)
def test_requests__hostile__get_a_problem_and_never_a_5xx(
    share_hub: Callable[..., HubProcess], server: ServerName
) -> None:
    hub, ada = share_hub(server), make_user("ada")
    mine = login(hub, ada)
    host = mine[0]
    many = b"&".join([b"a=1"] * 1_001)
    # By the application, so with a problem document.
    table: list[tuple[str, tuple[Any, ...]]] = [
        ("bad_request", (b"GET " + PATH, *mine, b"Content-Type: application/json; a*=nosuch''x")),
        ("bad_request", (b"GET " + PATH + b"?" + many, *mine, b"Content-Type: text/plain; charset=utf-8")),
        ("invalid", (b"GET " + PATH + b"?" + many, *mine)),
        ("invalid", (b"GET " + PATH + b"?topic=%00", *mine)),
        ("invalid", (b"GET " + PATH + b"?topic=%ed%a0%80", *mine)),
        ("invalid", (b"GET " + PATH + b"/%00", *mine)),
        ("invalid", (b"GET " + PATH, host, b'Cookie: sessionid="\\000aaaaaaaaaaaa"')),
        ("bad_request", (b"GET " + PATH, b"Host: evil.example", *mine[1:])),
        ("not_found", (b"GET " + PATH + b"/%ff", *mine)),
        ("not_found", (b"GET " + PATH + b"/", *mine)),
        ("not_found", (b"POST " + PATH + b"/", *mine, b"Content-Length: 0")),
        ("method_not_allowed", (b"PROPFIND " + PATH, *mine)),
        ("not_authenticated", (b"GET " + PATH, host)),
        ("bad_credential", (b"GET " + PATH, *mine, b"Authorization: Bearer \xff")),
    ]
    for code, request in table:
        assert check_problem(*ask(hub, *request)) == code, request
    if server != "daphne":  # which reads the whole body before anybody sees the request
        announced = (b"POST " + PATH + b"/actions", *mine, b"Content-Length: 50000000")
        assert check_problem(*ask(hub, *announced)) == "too_large"
    # Some of these the servers themselves refuse, in their own words or without a word.
    for request in (
        (b"GET " + PATH + b"?topic=\xff", *mine),
        (b"GET " + PATH, *mine, b"X-Long: " + b"x" * 20_000),
        (b"GET " + PATH, *mine, host),
        (b"GET " + PATH, *mine, b"X: \x00"),
        (b"POST " + PATH + b"/actions", *mine, b"Content-Length: nonsense"),
        (b"GET " + PATH + b"/stream", host, b'Cookie: sessionid="\\000aaaaaaaaaaaa"'),
    ):
        with suppress(RemoteDisconnected):
            assert ask(hub, *request)[0] < 500, request
    assert ask(hub, b"GET " + PATH, *mine)[0] == 200
    assert "Internal Server Error" not in hub.output()


@pytest.mark.parametrize("server", SERVERS)
def test_cookies__in_several_lines_as_http2_sends_them__are_all_read(
    share_hub: Callable[..., HubProcess], server: ServerName
) -> None:
    hub, ada = share_hub(server), make_user("ada")
    public_id = send(ada)
    host, cookies, csrf = login(hub, ada)
    parts = [b"Cookie: " + part for part in [b"a=1", *cookies.removeprefix(b"Cookie: ").split(b"; "), b"z=2"]]
    assert len(parts) == 4
    mine = [parts[0], host, *parts[1:], csrf]
    assert ask(hub, b"GET " + PATH, *mine)[0] == 200
    assert ask(hub, b"DELETE %b/%b" % (PATH, str(public_id).encode()), *mine)[0] == 204
    assert ask(hub, b"GET " + PATH + b"/stream?closeafter=live", *mine)[0] == 200
    assert ask(hub, b"GET /account/password/", *mine)[0] == 200


@pytest.mark.parametrize("server", SERVERS)
def test_head_and_304__carry_no_body_on_the_wire(
    share_hub: Callable[..., HubProcess], server: ServerName
) -> None:
    hub, ada = share_hub(server), make_user("ada")
    send(ada)
    mine = login(hub, ada)
    status, headers, body = ask(hub, b"GET " + PATH, *mine)
    assert (status, int(headers["content-length"])) == (200, len(body))
    # A body that came all the same would be read as the beginning of the next answer.
    for request in (
        (b"HEAD " + PATH, *mine),
        (b"GET " + PATH, *mine, b"If-None-Match: " + headers["etag"].encode()),
    ):
        again = ask(hub, *request)
        assert again[2] == b""
        assert again[1]["etag"] == headers["etag"]


@pytest.mark.parametrize("server", SERVERS)
def test_addresses__are_those_of_the_clients_when_a_trusted_proxy_says_so(
    share_hub: Callable[..., HubProcess], server: ServerName
) -> None:
    ada = make_user("ada")
    hub = share_hub(server, env={"HUB_TRUSTED_PROXIES": "127.0.0.1"})
    public_id = send(ada)
    forwarded = [b"X-Forwarded-For: 198.51.100.1", b"X-Forwarded-For: 203.0.113.9"]
    mine = [*login(hub, ada), *forwarded, b"Content-Type: application/json", b"Content-Length: 14"]
    status, *_ = ask(hub, b"PATCH %b/%b" % (PATH, str(public_id).encode()), *mine, body=b'{"read": true}')
    assert status == 200
    assert Change.objects.get(inbox_id=ada.pk, position=2).address == "203.0.113.9"
    if server == "serve":
        assert "203.0.113.9" in hub.output()
