"""Django's ASGI handler with a bound on bodies, and with answers to what Django fails on before any middleware runs.

Without it, a Content-Type with an unknown charset in an extended parameter is a 500, and a body of any size is written to
disk before a view can refuse it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any, Final

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponseBase

from notifications.problems import code_of_status
from notifications.rest.errors import problem_response

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# More than any door of the hub takes; each door has its own, smaller limit.
MAX_REQUEST_BYTES: Final = 5 * 1_048_576
_TOO_LARGE: Final = "hub.body_too_large"


class HubASGIHandler(ASGIHandler):
    """Serves Django's part of the site; made once, after ``django.setup()``."""

    async def handle(self, scope: dict[str, Any], receive: Receive, send: Send) -> HttpResponseBase | None:
        """Serve one request whose body is read up to the limit only."""
        scope = scope | {_TOO_LARGE: _announced_bytes(scope) > MAX_REQUEST_BYTES}
        return await super().handle(scope, _bounded(scope, receive), send)

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """The request, or the answer to one that there cannot be."""
        if scope[_TOO_LARGE]:
            return None, problem_response("too_large")
        try:
            created = super().create_request(scope, body_file)
        except (ValueError, LookupError, SuspiciousOperation):
            # Content-Type names a charset that there is not or, with one that there is, Django has read the query string
            # already, with more parameters than it takes.
            return None, problem_response("bad_request")
        refusal = created[1]
        return created if refusal is None else (None, problem_response(code_of_status(refusal.status_code)))


def _announced_bytes(scope: Mapping[str, Any]) -> int:
    announced = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return max((int(value) for value in announced if value.isdigit() and len(value) < 19), default=0)


def _bounded(scope: dict[str, Any], receive: Receive) -> Receive:
    """Ends the body, as far as Django sees, where it grows too large; ``create_request`` then refuses it."""
    received_bytes = 0

    async def bounded() -> Message:
        nonlocal received_bytes
        message: Message = {"type": "http.request"} if scope[_TOO_LARGE] else await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > MAX_REQUEST_BYTES:
            scope[_TOO_LARGE] = True
            message = {"type": "http.request"}
        return message

    return bounded
