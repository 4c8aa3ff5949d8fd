"""The nginx file of deploy/, started for real before a real hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser

from notifications.models import Change
from tests.helpers.factories import send
from tests.helpers.machine.nginx import Nginx, NginxMissing, nginx_program
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import CSRF_TOKEN, HubProcess, new_session_key, session_headers
from tests.helpers.streams import LiveStream, at, complaints, positions
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]

STREAM = "/api/v1/notifications/stream"


@pytest.fixture
def hub(share_hub: Callable[..., HubProcess]) -> HubProcess:
    return share_hub(env={"HUB_TRUSTED_PROXIES": HOST})


@pytest.fixture
def start_nginx(hub: HubProcess) -> Iterator[Callable[..., Nginx]]:
    """Starts nginx before the hub. Where there is none the tests are skipped, which CI counts as a
    failure.
    """
    try:
        nginx_program()
    except NginxMissing as missing:
        pytest.skip(str(missing))
    with ExitStack() as running:
        yield lambda **options: running.enter_context(Nginx(hub.port, **options))


@pytest.fixture
def nginx(start_nginx: Callable[..., Nginx]) -> Nginx:
    return start_nginx()


def stream_of(nginx: Nginx, user: User, *, last_id: str = "", query: str = "") -> LiveStream:
    resume = {"Last-Event-ID": last_id} if last_id else {}
    return LiveStream(nginx.base_url + STREAM + query, headers={**session_headers(user), **resume})


def client_of(nginx: Nginx, user: User) -> httpx.Client:
    headers = {**session_headers(user), "X-CSRFToken": CSRF_TOKEN, "Referer": nginx.base_url + "/"}
    return httpx.Client(
        base_url=nginx.base_url, headers=headers, verify=False, trust_env=False, timeout=PATIENCE_SECONDS
    )


def test_stream__through_nginx__each_event_comes_at_once_and_the_hub_sees_the_client(
    hub: HubProcess, nginx: Nginx, ada: User
) -> None:
    with stream_of(nginx, ada, query="?heartbeat=300") as stream:
        stream.expect("stream.live")
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["Cache-Control"] == "no-store, no-transform"
        assert stream.headers["Content-Encoding"] is None
        for number in range(1, 6):
            # The next one is sent when this one is here: nothing may wait for more to come, and no heartbeat
            # comes in the meantime.
            send(ada)
            stream.expect("notification.created", where=at(number))
    with client_of(nginx, ada) as client:
        (note, *_) = client.get("/api/v1/notifications").json()["results"]
        claimed = {
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=203.0.113.9",
        }
        answer = client.patch(f"/api/v1/notifications/{note['id']}", json={"read": True}, headers=claimed)
        assert answer.status_code == 200
    assert Change.objects.get(inbox_id=ada.pk, position=6).address == HOST
    assert "203.0.113.9" not in hub.output()
    assert complaints(hub.output()) == []


def test_reload__streams_live_on__and_new_ones_begin(nginx: Nginx, ada: User) -> None:
    with stream_of(nginx, ada) as stream:
        stream.expect("stream.live")
        nginx.reload()
        send(ada)
        stream.expect("notification.created", where=at(1))
        with stream_of(nginx, ada, last_id=stream.ids[0]) as another:
            another.expect("notification.created", where=at(1))


def test_reload__that_cuts_a_stream__the_client_resumes_and_misses_nothing(
    start_nginx: Callable[..., Nginx], ada: User
) -> None:
    nginx = start_nginx(worker_shutdown="200ms")
    with stream_of(nginx, ada) as stream:
        stream.expect("stream.live")
        send(ada)
        stream.expect("notification.created", where=at(1))
        nginx.reload()
        stream.wait_ended()
        for _ in range(3):
            send(ada)
        with stream_of(nginx, ada, last_id=stream.ids[-1]) as resumed:
            resumed.expect("notification.created", where=at(4))
            assert positions(stream, resumed) == [1, 2, 3, 4]


def test_client_that_leaves__ends_its_stream_in_the_hub_too(hub: HubProcess, nginx: Nginx, ada: User) -> None:
    stream = stream_of(nginx, ada)
    stream.expect("stream.live")
    stream.close()
    assert hub.stop() == 0
    assert complaints(hub.output()) == []


def test_requests__plain_http_is_sent_on__and_no_query_string_is_logged(nginx: Nginx, ada: User) -> None:
    moved = httpx.get(f"http://{HOST}:{nginx.plain_port}/x?y=1", timeout=PATIENCE_SECONDS, trust_env=False)
    assert (moved.status_code, moved.headers["Location"]) == (308, f"https://{HOST}/x?y=1")
    with client_of(nginx, ada) as client:
        assert client.get(STREAM, params={"ticket": "do-not-log", "closeafter": "live"}).status_code < 500
        too_large = client.post(
            "/api/v1/notifications/actions",
            content=b" " * (5 * 2**20),
            headers={"Content-Type": "application/json"},
        )
        assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert re.search(rf'"GET {STREAM} HTTP', nginx.log())
    assert "do-not-log" not in nginx.log()


def test_what_watches_the_hub__is_not_for_the_public(hub: HubProcess, nginx: Nginx, ada: User) -> None:
    with client_of(nginx, ada) as client:
        for path in ("/metrics", "/healthz/live", "/healthz/ready"):
            assert hub.client().get(path).status_code == 200
            for spelt in (path, path.replace("e", "%65", 1)):
                assert "nginx" in client.get(spelt).text


SIX_STREAMS_AND_A_REQUEST = """
async () => {
    const opened = Array.from({length: 6}, () => new Promise((resolve, reject) => {
        const source = new EventSource('/api/v1/notifications/stream');
        source.addEventListener('stream.live', () => resolve(source));
        source.onerror = () => reject(new Error('a stream failed'));
    }));
    const sources = await Promise.all(opened);
    const answer = await fetch('/api/v1/notifications/counts');
    sources.forEach((source) => source.close());
    return [answer.status, performance.getEntriesByType('navigation')[0].nextHopProtocol];
}
"""


@pytest.mark.browser
def test_browser__over_http_2__has_six_streams_and_still_can_ask(
    nginx: Nginx, ada: User, browser: Browser
) -> None:
    context = browser.new_context(ignore_https_errors=True)
    try:
        cookie: Any = {
            "name": settings.SESSION_COOKIE_NAME,
            "value": new_session_key(ada),
            "url": nginx.base_url,
        }
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto(nginx.base_url + "/api/v1/notifications")
        assert page.evaluate(SIX_STREAMS_AND_A_REQUEST) == [200, "h2"]
    finally:
        context.close()
