"""One notification, sent here and received through the public address: shows what a proxy does to streams."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.ops.findings import Finding, error, ok, warning

WAIT_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 1.0
MAX_DETAIL_BYTES: Final = 4_096
EVENT_TYPE: Final = "hub.doctor.canary"


def send_canary(url: str, user: Any) -> Iterator[Finding]:
    """Open a stream of ``user`` at ``url``, notify them, and look at how it arrives.

    The notification is deleted afterwards.

    Args:
        url: where the hub is for its clients, such as ``https://hub.example.com``.
        user: who is notified; they may see it for a moment.
    """
    connection = _connect(url)
    started = time.monotonic()
    try:
        answer = _ask(connection, url, services.issue_ticket(user))
        if (refusal := _refusal(answer)) is not None:
            yield refusal
            return
        yield from _watch(answer, user, started)
    except TimeoutError:
        yield error(
            "canary",
            f"nothing came within {WAIT_SECONDS:.0f} s: a proxy holds the stream back; turn its buffering "
            "off (deploy/nginx.conf)",
        )
    except (OSError, HTTPException) as failure:
        yield error("canary", f"{url} cannot be reached, or cuts the stream off: {failure!r}")
    finally:
        connection.close()


def _connect(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=WAIT_SECONDS)


def _ask(connection: HTTPConnection, url: str, ticket: str) -> HTTPResponse:
    query = urlencode({"ticket": ticket, "type": EVENT_TYPE})
    path = f"{urlsplit(url).path.rstrip('/')}/api/v1/notifications/stream?{query}"
    # As a browser asks, so that a proxy which compresses shows it.
    connection.request("GET", path, headers={"Accept": "text/event-stream", "Accept-Encoding": "gzip, br"})
    return connection.getresponse()


def _refusal(answer: HTTPResponse) -> Finding | None:
    kind = answer.headers.get_content_type()
    if answer.status != 200 or kind != "text/event-stream":
        where = answer.headers.get("Location")
        told = f", to {where}" if where else _detail(answer)
        return error("canary", f"no stream but {answer.status} {kind}{told}")
    if coding := answer.headers.get("Content-Encoding"):
        return error(
            "canary", f"a proxy compresses the stream ({coding}), which holds frames back; turn that off"
        )
    return None


def _detail(answer: HTTPResponse) -> str:
    """Read the detail of a refusal by the hub; empty for an answer of somebody else."""
    try:
        return f": {json.loads(answer.read(MAX_DETAIL_BYTES))['detail']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _watch(answer: HTTPResponse, user: Any, started: float) -> Iterator[Finding]:
    for name, _ in _events(answer):
        if name == "stream.live":
            break
    yield ok("stream", f"opens within {_milliseconds(started)} ms")
    started = time.monotonic()
    public_id = services.notify(
        user, UntypedEvent(type_name=EVENT_TYPE, fields={}), title="Canary", source="manage.py doctor"
    )
    try:
        seconds = _arrival(answer, public_id) - started
    finally:
        services.delete(user, [public_id])
    text = f"from publish to receive {seconds * 1000:.0f} ms"
    if seconds > QUICK_SECONDS:
        yield warning("canary", f"{text}: hints do not arrive, or a proxy holds frames back")
    else:
        yield ok("canary", text)


def _arrival(answer: HTTPResponse, public_id: UUID) -> float:
    """Wait for the notification, and return when it came.

    Raises ``TimeoutError`` when it does not.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    for name, data in _events(answer):
        if name == "notification.created" and json.loads(data)["notification"]["id"] == str(public_id):
            return time.monotonic()
        if time.monotonic() > deadline:
            break
    raise TimeoutError


def _events(answer: HTTPResponse) -> Iterator[tuple[str, str]]:
    """Name and data of each frame. Raises ``ConnectionError`` at the end of the stream."""
    name = data = ""
    while line := answer.readline().decode():
        field, _, value = line.rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not field:
            yield name, data
            name = data = ""
    raise ConnectionError("the stream has ended")


def _milliseconds(started: float) -> str:
    return f"{(time.monotonic() - started) * 1000:.0f}"
