"""Django's ASGI handler with one thread for each request, bounded bodies, and no avoidable 500.

Django would change threads for each middleware and each signal, and start a thread for each request: most of
what a short answer costs. Without the rest, a Content-Type with an unknown charset in an extended parameter
would be a 500, and a body of any size would be written to disk before a view can refuse it.

Clean-up belongs to the thread that did the work, because what one thread has opened in the database another
cannot close.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, Final

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.exceptions import RequestAborted, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import HttpResponseBase
from django.urls import set_script_prefix

from notifications.protocol.problems import code_of_status
from notifications.rest.http.errors import problem_response
from notifications.streaming.database_threads import release_connections
from notifications.streaming.tasks import run_until_disconnect

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# More than any endpoint of the hub accepts; each has its own, smaller limit.
MAX_REQUEST_BYTES: Final = 5 * 1_048_576
# How many requests are served at once; the others wait. There are more threads than database connections,
# because some wait for a lock.
MAX_REQUEST_THREADS: Final = 40
_TOO_LARGE: Final = "hub.body_too_large"


class HubASGIHandler(ASGIHandler):
    """Serves Django's part of the site. Create it once, after ``django.setup()``."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(MAX_REQUEST_THREADS, thread_name_prefix="hub-request")

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the middleware in its synchronous form, so that it runs in the thread of its request."""
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request, reading its body up to the limit only.

        A client that disconnects meanwhile stops nothing but an answer that is still being streamed.
        """
        scope = scope | {_TOO_LARGE: _announced_bytes(scope) > MAX_REQUEST_BYTES}
        try:
            body_file = await self.read_body(_bounded(scope, receive))
        except RequestAborted:
            return
        response = await self._in_thread(self._respond, scope, body_file)
        if is_streamed(response):
            await self._stream(response, receive, send)
            body_file.close()
        else:
            await self.send_response(response, send)

    def _respond(self, scope: dict[str, Any], body_file: IO[bytes]) -> Any:
        """Turn the scope into a response. Unless it is streamed, the response and its files are closed here.

        The database connection is closed in any case, because the next request in this thread may come late.
        """
        set_script_prefix(get_script_prefix(scope))
        try:
            request_started.send(sender=self.__class__, scope=scope)
            request, refusal = self.create_request(scope, body_file)
            response: Any = refusal if request is None else self.get_response(request)
            response._handler_class = self.__class__
            if not is_streamed(response):
                if response.streaming:
                    response.streaming_content = _as_read(b"".join(response))
                response.close()
                body_file.close()
            return response
        finally:
            close_old_connections()

    async def _stream(self, response: Any, receive: Receive, send: Send) -> None:
        """Send a streamed response until its end, or until the client has gone.

        Whatever reads the database for it does so in one thread, and everything is closed in that thread,
        whatever has happened.
        """
        async with ThreadSensitiveContext():
            try:
                sending = self.send_response(response, send)
                await run_until_disconnect(receive, sending, name="hub answer", on_disconnect=lambda: None)
            finally:
                await sync_to_async(_close)(response)

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, function, *args)

    def create_request(
        self, scope: Mapping[str, Any], body_file: IO[bytes]
    ) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Return the request, or the answer to one that cannot be built."""
        if scope[_TOO_LARGE]:
            return None, problem_response("too_large")
        try:
            created = super().create_request(scope, body_file)
        except (ValueError, LookupError, SuspiciousOperation):
            # Content-Type names an unknown charset. Or it names a known one, for which Django reads the query
            # string at once, and that has more parameters than Django accepts.
            return None, problem_response("bad_request")
        refusal = created[1]
        return created if refusal is None else (None, problem_response(code_of_status(refusal.status_code)))


def is_streamed(response: Any) -> bool:
    """Return whether a response is read while it is sent.

    A synchronous iterator, such as a file's, is read before, as Django does it.
    """
    return bool(response.streaming and response.is_async)


async def _as_read(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _close(response: HttpResponseBase) -> None:
    try:
        response.close()
    finally:
        release_connections()


def _announced_bytes(scope: Mapping[str, Any]) -> int:
    announced = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return max((int(value) for value in announced if value.isdigit() and len(value) < 19), default=0)


def _bounded(scope: dict[str, Any], receive: Receive) -> Receive:
    """Wrap ``receive``: a body that grows too large ends there, and ``create_request`` refuses it."""
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
