"""A request that gets no stream: the refusal, and the plain answers that the endpoint gives instead."""

from __future__ import annotations

from notifications.protocol.problems import CONTENT_TYPE, problem_document, problem_headers
from notifications.streaming.asgi import SECURITY_HEADERS, STREAM_HEADERS, HeaderList, Send
from notifications.streaming.refusal import Refusal


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
    """A stream that is nothing but its close: native EventSource never comes back from a status other than
    200.

    Args:
        close: the frame.
        headers: those of every answer to this client.
    """
    await send_whole(send, 200, [*STREAM_HEADERS, *headers], close)


async def send_stream_headers(send: Send, headers: HeaderList) -> None:
    """What a HEAD gets. Without a length: nobody knows that of a stream, and 0 would be said of the GET's
    body.
    """
    await send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes = b"") -> None:
    """A complete answer. Its length is told, so that a HEAD and a GET have the same headers."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
