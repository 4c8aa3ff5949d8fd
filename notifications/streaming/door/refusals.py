"""A request that gets no stream: the refusal, and the plain answers that the endpoint gives instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from notifications.protocol.problems import CONTENT_TYPE, PROBLEMS, problem_document, problem_headers

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

# Django's middleware never sees these answers, so they say for themselves what it would have said.
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


class Refusal(Exception):
    """No stream for this request; nothing was changed.

    Attributes:
        code: out of the closed list of problem codes.
        detail: a sentence for a person; empty for the code's own.
        errors: for bad fields, each with a sentence.
        headers: what the answer carries on top of, or instead of, those of its code.
        more: of a limit that was met, what it is and when there is room again.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Mapping[str, str] | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = dict(errors or {})
        self.headers = list(headers)
        self.more = more

    @property
    def status(self) -> int:
        """The HTTP status that the code always has."""
        return PROBLEMS[self.code].status


async def send_refusal(send: Send, refusal: Refusal, headers: HeaderList) -> None:
    """Answer with the problem document of a refusal; ``headers`` are those of every answer to this client."""
    body = problem_document(refusal.code, refusal.detail, errors=refusal.errors, more=refusal.more)
    usual = {name.lower().encode(): value.encode() for name, value in problem_headers(refusal.code).items()}
    own = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"cache-control", b"no-store"),
        *(usual | dict(refusal.headers)).items(),
    ]
    await send_whole(send, refusal.status, [*own, *SECURITY_HEADERS, *headers], body)


async def send_closed_stream(send: Send, close: bytes, headers: HeaderList) -> None:
    """A stream that is nothing but its close: native EventSource never comes back from a status other than 200.

    Args:
        close: the frame.
        headers: those of every answer to this client.
    """
    await send_whole(send, 200, [*STREAM_HEADERS, *headers], close)


async def send_stream_headers(send: Send, headers: HeaderList) -> None:
    """What a HEAD gets. Without a length: nobody knows that of a stream, and 0 would be said of the GET's body."""
    await send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes = b"") -> None:
    """A complete answer. Its length is told, so that a HEAD and a GET have the same headers."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
