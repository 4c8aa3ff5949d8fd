"""The paths for machines that watch the hub: ``/healthz/live``, ``/healthz/ready`` and ``/metrics``.

They stand beside Django, not in it: a probe comes by plain http, from inside, under whatever host name or
address it likes. So there is no redirect to https and no ALLOWED_HOSTS here, nor is there a session; what
they answer depends on nothing that is in the request, but for the credential of ``/metrics``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from django.urls import path

from notifications.ops.prometheus import CONTENT_TYPE, may_see_metrics, metrics_text
from notifications.ops.readiness import Readiness
from notifications.protocol.retry_after import NOT_READY_SECONDS
from notifications.streaming.asgi import SECURITY_HEADERS, HeaderList, Receive, Scope, Send, send_whole

_UNCACHED: Final[HeaderList] = [(b"cache-control", b"no-store"), *SECURITY_HEADERS]
_HEADERS: Final[HeaderList] = [(b"content-type", b"application/json"), *_UNCACHED]


def ops_routes() -> list[Any]:
    """The routes for Channels' ``URLRouter``; to stand before those of the stream and Django."""
    readiness = Readiness()

    async def live() -> tuple[int, Mapping[str, str]]:
        return 200, {"status": "live"}

    async def ready() -> tuple[int, Mapping[str, str]]:
        report = await readiness.report()
        parts = {name: getattr(report, name) for name in ("process", "database", "migrations", "layer")}
        return 503 if report.status == "unavailable" else 200, {"status": report.status, **parts}

    # Django's types know only views as the target of a path.
    targets: list[tuple[str, Any]] = [
        ("healthz/live", _answering(live)),
        ("healthz/ready", _answering(ready)),
        ("metrics", metrics),
    ]
    return [path(route, target) for route, target in targets]


async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the metrics; 404 for those who may not see them, as if there were nothing."""
    if scope["method"] not in ("GET", "HEAD"):
        await _refuse_method(send)
    elif may_see_metrics(scope):
        content_type = (b"content-type", CONTENT_TYPE.encode())
        await send_whole(send, 200, [content_type, *_UNCACHED], metrics_text())
    else:
        await send_whole(send, 404, _UNCACHED)


async def _refuse_method(send: Send) -> None:
    await send_whole(send, 405, [(b"allow", b"GET, HEAD"), *SECURITY_HEADERS])


def _answering(
    answer: Callable[[], Awaitable[tuple[int, Mapping[str, str]]]],
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application that answers GET and HEAD with JSON, and looks at nothing else of the request."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse_method(send)
            return
        status, document = await answer()
        retry = [(b"retry-after", str(NOT_READY_SECONDS).encode())] if status == 503 else []
        await send_whole(send, status, [*_HEADERS, *retry], json.dumps(document).encode())

    return application
