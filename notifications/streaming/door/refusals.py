"""The answers to requests that get no stream: a refusal, a closed stream, or headers alone."""

from __future__ import annotations

from notifications.protocol.problems import CONTENT_TYPE, problem_document, problem_headers
from notifications.streaming.asgi import SECURITY_HEADERS, STREAM_HEADERS, HeaderList, Send
from notifications.streaming.refusal import Refusal


async def send_refusal(send: Send, refusal: Refusal, headers: HeaderList) -> None:
    """Answer with the problem document of a refusal.

    Args:
        headers: those of every answer to this client.
    """
    body = problem_document(refusal.code, refusal.detail, errors=refusal.errors, more=refusal.more)
    usual = {name.lower().encode(): value.encode() for name, value in problem_headers(refusal.code).items()}
    own = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"cache-control", b"no-store"),
        *(usual | dict(refusal.headers)).items(),
    ]
    await send_whole(send, refusal.status, [*own, *SECURITY_HEADERS, *headers], body)


async def send_closed_stream(send: Send, close: bytes, headers: HeaderList) -> None:
    """Send a stream that consists of its close frame.

    A browser's EventSource never reconnects after a status other than 200.

    Args:
        close: the frame.
        headers: those of every answer to this client.
    """
    await send_whole(send, 200, [*STREAM_HEADERS, *headers], close)


async def send_stream_headers(send: Send, headers: HeaderList) -> None:
    """Answer a HEAD request.

    It has no Content-Length: a stream's length is unknown, and 0 would describe the body of the GET.
    """
    await send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes = b"") -> None:
    """Send a complete answer, with its length, so that a HEAD and a GET have the same headers."""
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
