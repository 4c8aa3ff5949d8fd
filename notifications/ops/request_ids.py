"""A name for each request, in every line that is logged on its behalf, and in its answer."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

from structlog.contextvars import bind_contextvars, reset_contextvars

from notifications.streaming.asgi import Headers, Receive, Scope, Send

# What a proxy or a client may call its request; anything else could forge a log line.
_SAFE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestIds:
    """Middleware that gives views and streams their request's id.

    It stands around everything that logs.

    A sane ``X-Request-ID`` is kept, so that the lines of several services can be put together; any other is
    replaced. The answer carries it back.

    Args:
        application: everything else.
    """

    def __init__(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a scope on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        given = Headers(scope).get("x-request-id") or ""
        request_id = given if _SAFE.fullmatch(given) else uuid.uuid4().hex

        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"x-request-id", request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        # By hand: what a `with` keeps would be kept for as long as a stream is open.
        tokens = bind_contextvars(request_id=request_id)
        try:
            await self._application(scope, receive, named)
        finally:
            reset_contextvars(**tokens)
