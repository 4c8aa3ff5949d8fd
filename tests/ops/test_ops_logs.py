"""Log lines: whole, with their request's id, the same for views and streams, and never with a secret."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from notifications.ops.logs import RequestIds, Seldom, formatter, without_secrets
from notifications.selectors import InboxState
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.reconcile import Reconciler
from notifications.streaming.process.refill import Refill
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import stream_scope
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def record(message: str, *args: Any, **options: Any) -> logging.LogRecord:
    return logging.getLogger("hub.test").makeRecord(
        "hub.test", logging.WARNING, __file__, 1, message, args, None, **options
    )


def test_json__is_one_object_on_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        failed = record("It failed: %s", "Grüße")
        failed.exc_info = (ValueError, error, error.__traceback__)
    with bound_contextvars(request_id="r-1"):
        line = formatter("json").format(failed)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["level"], found["logger"]) == ("It failed: Grüße", "warning", "hub.test")
    assert (found["request_id"], found["process"]) == ("r-1", failed.process)
    assert found["timestamp"].endswith("Z")
    assert found["exception"].endswith("ValueError: two\nlines")


def test_line__is_for_people() -> None:
    with bound_contextvars(request_id="r-1"):
        line = formatter("line").format(record("It failed: %s", 7))
    assert line.split(" ", 1)[1].endswith(" WARNING hub.test It failed: 7 request_id=r-1")


@pytest.mark.parametrize(
    "text",
    [
        "GET /stream?ticket=S3CRET&after=x", "GET /x?access_token=S3CRET", "Authorization: Bearer S3CRET",
        ("{'HTTP_AUTHORIZATION': 'Basic "
        "S3CRET'}"), "{'password': 'S3CRET'}", '{"token": "S3CRET"}', "api_key=S3CRET;",
        ("Cookie: __Host-sessionid=S3CRET; "
        "a=b"), "redis password=S3CRET", "csrftoken=S3CRET", "SECRET: S3CRET", "ticket=S3CRET",
    ],
)  # fmt: skip
def test_secrets__in_any_form__are_hidden(text: str) -> None:
    assert "S3CRET" not in without_secrets(text)
    for style in ("json", "line"):
        assert "S3CRET" not in formatter(style).format(record(text.replace("%", "%%")))
        assert "S3CRET" not in formatter(style).format(record("%s", text))


@pytest.mark.parametrize(
    "text", ["3 tokens were made", "The ticket was used", "after=abcdefgh-7", "token_id: 7 expired"]
)
def test_what_is_no_secret__stays(text: str) -> None:
    assert without_secrets(text) == text


def test_seldom__what_is_said_again_and_again__passes_once_a_minute_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seldom = Seldom()

    def said(message: str) -> str | None:
        failed = record(message)
        failed.exc_info = (OSError, OSError("refused"), None)
        return formatter("line").format(failed) if seldom.filter(failed) else None

    first = said("Unexpected")
    assert first is not None
    assert first.endswith("hub.test Unexpected: OSError('refused')")
    assert said("Unexpected") is None
    assert said("Something else") is not None
    monkeypatch.setattr("notifications.ops.logs.SELDOM_SECONDS", 0)
    assert said("Unexpected") is not None
    for number in range(1_000):
        assert said(str(number))
    assert len(seldom._said_at) <= 100


async def ask(application: Any, *given: str) -> tuple[str, dict[str, Any]]:
    """The request id of the answer, and the context that the application saw."""
    messages: list[Any] = []
    seen: dict[str, Any] = {}

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.update(await in_database_thread(get_contextvars))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(message: Any) -> None:
        messages.append(message)

    scope = stream_scope() | {"headers": [(b"X-Request-ID", value.encode()) for value in given]}
    await application(inner)(scope, None, send)
    ((_, request_id),) = [header for header in messages[0]["headers"] if header[0] == b"x-request-id"]
    return request_id.decode(), seen


async def test_request_id__that_is_sane__is_kept_and_bound_in_threads_too() -> None:
    assert await ask(RequestIds, "trace-7.a_B") == ("trace-7.a_B", {"request_id": "trace-7.a_B"})
    assert get_contextvars() == {}


@pytest.mark.parametrize("given", [(), ("",), ("a b",), ("a\tb",), ("a" * 65,), ("é",), ("a", "b"), ('"}',)])
async def test_request_id__that_is_none__is_replaced(given: tuple[str, ...]) -> None:
    first, seen = await ask(RequestIds, *given)
    second, _ = await ask(RequestIds, *given)
    assert first != second
    assert len(first) == 32
    assert seen == {"request_id": first}


async def test_request_id__never_reaches_what_serves_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    async def note(self: Any) -> None:
        seen.append(get_contextvars())

    monkeypatch.setattr(Reconciler, "run", note)
    monkeypatch.setattr(Refill, "_read_all", note)
    refill = Refill()
    with bound_contextvars(request_id="first"):
        runtime = current_runtime()
        refill.add(SharedInbox(InboxState(7, "aaaaaaaa", 1, 0, 1)))
    await asyncio.sleep(0)
    await runtime.stop()
    assert seen == [{}, {}]


@pytest.mark.system
def test_a_real_process__logs_each_request_with_its_id_and_no_secret(start_hub: Any) -> None:
    hub: HubProcess = start_hub(env={"LOG_FORMAT": "json"})
    for path in ("/api/v1/notifications?q=1", "/api/v1/notifications/stream?ticket=S3CRET", "/healthz/live"):
        client = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=PATIENCE_SECONDS)
        client.request("GET", path, headers={"X-Request-ID": "mine-7", "Authorization": "Bearer S3CRET"})
        answer = client.getresponse()
        answer.read()
        assert answer.getheader("X-Request-ID") == "mine-7"
        client.close()
    assert hub.stop() == 0
    assert "S3CRET" not in hub.output()
    lines = [json.loads(line) for line in hub.output().splitlines() if line.startswith("{")]
    named = [line["message"] for line in lines if line.get("request_id") == "mine-7"]
    assert [any(part in message for message in named) for part in ("/notifications", "/stream", "/live")] == [
        True
    ] * 3
