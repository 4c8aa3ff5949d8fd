"""The stream on each of the supported servers, asked by friends and by strangers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from tests.helpers.factories import make_user, send
from tests.helpers.processes import HubProcess
from tests.helpers.wire import ask, complaints, positions, status_of

pytestmark = pytest.mark.system


@pytest.fixture(scope="module", params=["serve", "daphne", "uvicorn"])
def running_hub(django_db_setup: None, request: pytest.FixtureRequest) -> Iterator[HubProcess]:
    """One process of each server for all tests here: to start one takes longer than any of them."""
    with HubProcess(request.param) as running:
        yield running


@pytest.fixture
def hub(running_hub: HubProcess, transactional_db: None) -> Iterator[HubProcess]:
    yield running_hub
    running_hub.close_clients()


@pytest.fixture
def ada(transactional_db: None) -> User:
    return make_user("ada")


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
