"""The stream on each of the supported servers, asked by friends and by strangers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from notifications import services
from tests.helpers.factories import send
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import HubProcess, session_headers
from tests.helpers.staff import REPLAY_STREAM, TAIL_STREAM, make_staff
from tests.helpers.streams import ask, complaints, positions
from tests.helpers.waiting import PATIENCE_SECONDS

# The servers are the same in both shapes; tests/contract asks the application in each of them.
pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]


@pytest.fixture(params=["serve", "daphne", "uvicorn"])
def hub(share_hub: Callable[..., HubProcess], request: pytest.FixtureRequest) -> HubProcess:
    # A stream that was dropped counts until the server has noticed; how many may be open is not asked here.
    return share_hub(request.param, env={"HUB_MAX_STREAMS_PER_USER": "1000"})


def test_stream__live_resumed_and_closed__without_a_word_in_the_log(hub: HubProcess, ada: User) -> None:
    stream = hub.stream(ada)
    stream.expect("stream.live")
    assert stream.status == 200
    assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert not stream.headers["Connection"]
    send(ada)
    stream.expect("notification.created")
    stream.close()
    resumed = hub.stream(ada, f"after={stream.ids[0]}&closeafter=live")
    assert resumed.wait_ended() == "clean"
    assert positions(stream) == positions(resumed) == [1]
    with hub.client(ada) as client:
        client.headers["Accept"] = "text/event-stream"
        assert client.head("/api/v1/notifications/stream").status_code == 200
    for _ in range(5):
        hub.stream(ada).close()
    hub.stream(ada).expect("stream.live")
    assert complaints(hub.output()) == []


def test_staff_streams__tail_and_replay__on_each_server(hub: HubProcess, ada: User) -> None:
    vera = make_staff("vera", "view_notification", "view_inbox")
    tail = hub.stream(vera, path=TAIL_STREAM)
    assert (tail.status, tail.expect("tail.open").retry) == (200, tail.events[0].retry)
    send(ada)
    assert tail.expect("tail.change").json["recipient"] == "ada"
    replay = hub.stream(vera, f"inbox={ada.pk}&after=0&speed=60", path=REPLAY_STREAM)
    assert replay.expect("replay.change").json["position"] == 1
    assert replay.wait_ended() == "clean"
    tail.close()
    assert hub.stream(ada, path=TAIL_STREAM).status == 403
    assert complaints(hub.output()) == []


STREAM = b"/api/v1/notifications/stream"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
HOSTILE: tuple[bytes, ...] = (
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nDaphne-Root-Path: /x\r\n\r\n",
    b"BREW " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"OPTIONS " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.0\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET " + STREAM + b"?after=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?after=%ED%A0%80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?x=\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?" + b"a=1&" * 2_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?x=" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?topic=" + b"%F0%9F%98%80" * 101 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"?token=secret HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nAccept: \xff;q=\xff\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n",
    b"GET "
    + STREAM
    + b' HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid="\\000\\000\\000\\000\\000\\000\\000\\000"\r\n\r\n',
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid=\xff\xfe\xfd\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\n\r\n",
    b"GET " + STREAM + b" HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000 + b"\r\n\r\n",
    b"GET /" + STREAM + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"%0A HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"%FF HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET " + STREAM + b"/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example" + STREAM + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x00\x01\x02\r\n\r\n",
    b"GET\r\n\r\n",
)


def test_strangers__no_traceback_and_no_answer_above_499(hub: HubProcess, ada: User) -> None:
    for raw in HOSTILE:
        answer = ask(hub.port, raw)
        assert not answer or 300 <= status_of(answer) < 500, (raw, answer[:200])
    for text in ("\N{SNOWMAN}", "a" * 5_000, "../../x", "' OR 1=1", "-1", "NaN", "0" * 30, "{}", "%s"):
        stream = hub.stream(ada, headers={"Last-Event-ID": text.encode().decode("latin-1")})
        assert stream.expect("stream.reset").json["reason"] == "malformed"
        stream.close()
    assert "Traceback" not in hub.output()
    if hub.server == "serve":
        assert "WebSocket" not in hub.output()


MALFORMED: tuple[bytes, ...] = (
    b"nonsense", b"-1", b"0", b"NaN", b"%00", b"aaaaaaaa-", b"-", b"aaaaaaaa--1", b"aaaaaaaa-01",
    b"aaaaaaaa-1.0", b"aaaaaaaa-%2B1", b"AAAAAAAA-1", b"aaaaaaa1-1", b"aaaaaaa-1", b"aaaaaaaaa-1",
    b"aaaaaaaa-12345678901234567", b"aaaaaaaa-1%20", b"%20aaaaaaaa-1", b"aaaaaaaa-1%0A", b"aaaaaaaa-%D9%A1",
    b"aaaaaaaa-1,aaaaaaaa-1", b"earliest%20", b"EARLIEST", b"null", b"%F0%9F%98%80", b"x" * 8_000,
)  # fmt: skip
# What an authenticated client asks, and the status it gets; 0 where servers may differ, but never above 499.
RULED_OUT: tuple[tuple[bytes, bytes, int], ...] = (
    *((b"after=%00" + name, b"", 400) for name in (b"", b"x")),
    *((b"?" * 3 + b"&" * 900, b"", 200) for _ in range(1)),
    (b"&" * 1_001, b"", 400),
    (b"x=%ED%A0%80", b"", 400),
    (b"x=%zz&y=%&=&==&%00", b"", 400),
    (b"x=%zz&y=%&=&==&", b"", 200),
    (b"token=a", b"", 400), (b"access_token=a", b"", 400), (b"api_key=", b"", 400), (b"%74oken=a", b"", 400),
    (b"ticket=", b"", 401), (b"ticket=a:b:c", b"", 401), (b"ticket=" + b"x" * 5_000, b"", 401),
    (b"ticket=%F0%9F%98%80", b"", 401), (b"ticket=a", b"Authorization: Bearer a\r\n", 400),
    (b"category=", b"", 400), (b"category=Orders", b"", 400), (b"category=a.b", b"", 400),
    (b"category=a,,b", b"", 400), (b"type=", b"", 400), (b"type=*", b"", 400), (b"type=a.*.b", b"", 400),
    (b"type=a.b.c.d.e", b"", 400), (b"type=.", b"", 400), (b"topic=%0A", b"", 400),
    (b"topic=" + b"x" * 101, b"", 400), (b"topic=" + b"x," * 51, b"", 400), (b"level=fatal", b"", 400),
    (b"level=info,", b"", 400), (b"&".join([b"level=info"] * 51), b"", 400),
    *((b"heartbeat=" + value, b"", 200) for value in (
        b"", b"-1", b"0", b"1e999", b"nan", b"inf", b"x", b"99999999999", b"5,5", b"%D9%A1",
    )),
    *((b"transient=" + value, b"", 200) for value in (b"", b"FALSE", b"%F0%9F%98%80", b"x" * 1_000)),
    (b"client=", b"", 400),
    (b"client=tab", b"", 400),
    (b"client=0197f2a4-5d3b-7c11-9a55-3f1c2f7be0aa0", b"", 400),
    (b"client=%00", b"", 400),
    (b"client=%F0%9F%98%80", b"", 400),
    (b"client=0197F2A4-5D3B-7C11-9A55-3F1C2F7BE0AA", b"", 200),
    (b"names=other&on_limit=never&closeafter=never&closeafter=live", b"", 200),
    (b"", b"Authorization: Bearer\r\n", 401), (b"", b"Authorization: Bearer a b\r\n", 401),
    (b"", b"Authorization: bearer nhub_x\r\n", 401),
    (b"", b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 401),
    (b"", b"Authorization: Basic eDp5\r\n", 200), (b"", b"Accept: text/event-stream;q=0\r\n", 406),
    (b"", b"Accept: application/json\r\n", 406), (b"", b"Accept: ;;;,,,q=\r\n", 406),
    (b"", b"Accept: */*;q=nan\r\n", 406), (b"", b"Accept: TEXT/EVENT-STREAM\r\n", 200),
    (b"", b"Origin: https://evil.example\r\n", 403), (b"", b"Origin:\r\n", 403),
    (b"", b"Origin: null\r\nOrigin: null\r\n", 403), (b"", b"Sec-Fetch-Site: same-site\r\n", 403),
    (b"", b"Sec-Fetch-Site: SAME-ORIGIN\r\n", 403), (b"", b"Sec-Fetch-Site: none\r\n", 200),
    (b"", b"X-Request-ID: " + b"\xff" * 10 + b"\r\n", 0),
    (b"", b"X-Forwarded-For: , ,\r\nX-Forwarded-Proto: \xff\r\n", 0), (b"", b"Content-Length: 0\r\n", 200),
    (b"", b"Range: bytes=0-1\r\n", 200), (b"", b"If-None-Match: *\r\n", 200),
    (b"", b"Expect: 100-continue\r\n", 0), (b"", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 0),
)  # fmt: skip
METHODS_RULED_OUT = (b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"get", b"X")


def status_of(answer: bytes) -> int:
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1])


def ask_whole(port: int, raw: bytes) -> bytes:
    """Send raw bytes, and return the whole answer, at whose end the server closes the connection."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(raw)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                answer += chunk
    return answer


def test_everything_that_the_protocol_rules_out__has_its_answer_and_no_traceback(
    hub: HubProcess, ada: User
) -> None:
    always = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: "
    always += session_headers(ada)["Cookie"].encode() + b"\r\n"

    def asked(query: bytes, headers: bytes = b"", method: bytes = b"GET") -> bytes:
        return ask_whole(
            hub.port, method + b" " + STREAM + b"?closeafter=live&" + query + always + headers + b"\r\n"
        )

    for text in MALFORMED:
        for name in (b"after=", b"last_event_id=", b"lastEventId="):
            answer = asked(name + text)
            if b"%00" in text:
                assert status_of(answer) == 400
            else:
                assert answer.count(b'"reason":"malformed"') == answer.count(b"event: stream.live") == 1, (
                    text,
                    answer,
                )
        if b"%" not in text:
            assert asked(b"", b"Last-Event-ID: " + text + b"\r\n").count(b'"reason":"malformed"') == 1, text
    for query, headers, status in RULED_OUT:
        answer = asked(query, headers)
        assert status_of(answer) == status if status else status_of(answer) < 500, (
            query,
            headers,
            answer[:300],
        )
        if status >= 400:
            assert b"application/problem+json" in answer, (query, headers, answer[:300])
    for method in METHODS_RULED_OUT:
        assert 400 <= status_of(asked(b"", method=method)) <= 405, method
    assert "Traceback" not in hub.output()


CHANGES = b"/api/v1/notifications/changes"
# What comes after the path of a long poll, with further headers. None of it is worth waiting for.
HOSTILE_POLLS: tuple[tuple[bytes, bytes], ...] = (
    *((b"?after=" + text + b"&wait=25", b"") for text in MALFORMED),
    *((b"?after={after}&wait=" + text, b"") for text in (
        b"", b"-1", b"nan", b"-inf", b"1e-999", b"x", b"%00", b"%F0%9F%98%80", b"0,1", b"x" * 5_000,
    )),
    *((b"?after={after}&wait=25&limit=" + text, b"") for text in (
        b"", b"0", b"-1", b"501", b"1e1", b"%D9%A1", b"9" * 5_000,
    )),
    *((b"?after={after}&wait=25&" + text, b"") for text in (
        b"token=x", b"level=fatal", b"type=a.*.b", b"category=A", b"x=%ED%A0%80", b"a=1&" * 1_001,
    )),
    (b"?wait=25", b""), (b"?wait=25&after=", b""), (b"?wait=25&after=aaaaaaaa-1", b""),
    (b"?wait=0&wait=0&after={after}", b""),
    *((b"?after={after}&wait=25", header) for header in (
        b"Host: evil.example\r\n", b"Authorization: Bearer x\r\n", b"Authorization: Bearer \xff\r\n",
        b"Accept: text/html;q=\r\nHost: a\r\n",
    )),
    (b"?after={after}&wait=25&x=" + b"x" * 100_000, b""), (b"/?after={after}&wait=25", b""),
    (b"%0A?wait=25", b""),
)  # fmt: skip


def test_long_polls_of_strangers__are_answered_at_once__without_a_traceback(
    hub: HubProcess, ada: User
) -> None:
    after = str(services.open_inbox(ada.pk).cursor).encode()
    cookie = session_headers(ada)["Cookie"].encode()
    always = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: " + cookie + b"\r\n"
    for query, headers in HOSTILE_POLLS:
        path = CHANGES + query.replace(b"{after}", after)
        answer = ask_whole(hub.port, b"GET " + path + always + headers + b"\r\n")
        assert not answer or 200 <= status_of(answer) < 500, (query[:200], headers, answer[:300])
    nobody = (
        b"GET "
        + CHANGES
        + b"?wait=25&after="
        + after
        + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert status_of(ask_whole(hub.port, nobody)) == 401
    for method in METHODS_RULED_OUT:
        answer = ask_whole(hub.port, method + b" " + CHANGES + b"?wait=25&after=" + after + always + b"\r\n")
        assert not answer or status_of(answer) < 500, method
    assert "Traceback" not in hub.output()
