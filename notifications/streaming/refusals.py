"""Requests that get no stream: the exception that refuses one, and the answers.

Any room may raise a refusal; the door answers it. Other answers are a stream that closes at once, and headers
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from notifications.protocol.problems import CONTENT_TYPE, PROBLEMS, problem_document, problem_headers
from notifications.streaming.asgi import SECURITY_HEADERS, STREAM_HEADERS, HeaderList, Send, send_whole


class Refusal(Exception):
    """The request gets no stream, and nothing was changed.

    Attributes:
        code: one of the closed list of problem codes.
        detail: a sentence for people; empty for the code's own sentence.
        errors: a sentence for each bad field.
        headers: headers of the answer, in addition to or instead of those of the code.
        more: further members of the problem document: the limit that was reached, and when there is room.
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
        """The HTTP status of the code."""
        return PROBLEMS[self.code].status


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
