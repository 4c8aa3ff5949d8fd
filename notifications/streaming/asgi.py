"""The types of ASGI, the headers of a request and of every answer of the stream, and whole answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]

# Django's middleware never sees these answers, so they carry the headers that it would have added.
SECURITY_HEADERS: Final[HeaderList] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"same-origin"),
    (b"vary", b"Cookie, Authorization, Origin"),
]
STREAM_HEADERS: Final[HeaderList] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]


class Headers:
    """The headers of a request by lower-case name, decoded as ISO 8859-1.

    Args:
        scope: the ASGI scope of the request.
    """

    def __init__(self, scope: Scope) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(
                value.decode("latin-1").strip()
            )

    def all(self, name: str) -> list[str]:
        """Return every value of a header, in order."""
        return self._values.get(name, [])

    def get(self, name: str) -> str | None:
        """Return the value of a header, several joined by commas as HTTP says; None if there is none."""
        values = self._values.get(name)
        return ", ".join(values) if values else None


def join_cookies(scope: Scope) -> None:
    """Join several ``Cookie`` headers, which HTTP/2 lets a client send, into one (RFC 9113, 8.2.3).

    Django would join them with a comma, which loses every cookie but the first. The list of headers is
    changed in place, because the server keeps the same list.
    """
    lines = [value for name, value in scope["headers"] if name.lower() == b"cookie"]
    if len(lines) > 1:
        others = [header for header in scope["headers"] if header[0].lower() != b"cookie"]
        scope["headers"][:] = [*others, (b"cookie", b"; ".join(lines))]


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes = b"") -> None:
    """Send a complete answer, with its length, so that a HEAD and a GET have the same headers."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
