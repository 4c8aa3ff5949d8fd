"""The stream's ASGI application driven in the test's own loop: for what a network would hide, as a reader
that takes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import UUID

from django.conf import settings

from notifications.streaming.addressing import user_key
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door.endpoint import stream
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.factories import send
from tests.helpers.processes import new_session_key
from tests.helpers.sse import ServerSentEvent, StreamRecord
from tests.helpers.streams import Where, anything
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async


class AsgiStream(StreamRecord):
    """One request to the stream. `status` and `headers` are None and empty until the answer has begun.

    Attributes:
        may_take: cleared, the reader takes nothing and every `send` waits, as under a server with flow
            control.
        scope: what the application was given.
        task: the application.
    """

    def __init__(self, scope: dict[str, Any], application: Any = stream) -> None:
        super().__init__()
        self.opened_at = time.monotonic()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.may_take = asyncio.Event()
        self.may_take.set()
        self._changed = asyncio.Condition()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.scope = scope
        self.task = asyncio.create_task(self._run(scope, application))

    async def _run(self, scope: dict[str, Any], application: Any) -> None:
        try:
            await application(scope, self._incoming.get, self._send)
        finally:
            async with self._changed:
                self.ended = self.ended or "cut"
                self._changed.notify_all()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await self.may_take.wait()
        async with self._changed:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.feed(message["body"], time.monotonic())
                if not message["more_body"]:
                    self.ended = "clean"
            self._changed.notify_all()

    async def expect(
        self, *types: str, timeout: float = PATIENCE_SECONDS, where: Where = anything
    ) -> ServerSentEvent:
        """The next event of one of `types` (none: any) for which `where` holds. Raises `UnexpectedEnd`."""
        found: list[ServerSentEvent] = []

        def has_come() -> bool:
            if (event := self.take(*types, where=where)) is not None:
                found.append(event)
            return bool(found or self.ended)

        await self._wait_for(has_come, timeout)
        if not found:
            raise self.missing(" or ".join(types) or "an event")
        return found[0]

    async def wait_ended(self, timeout: float = PATIENCE_SECONDS) -> str:
        """Wait for the end of the answer and tell how it ended. Raises `UnexpectedEnd`."""
        await self._wait_for(lambda: self.ended is not None, timeout)
        if self.ended is None:
            raise self.missing("the end of the stream")
        return self.ended

    async def _wait_for(self, condition: Any, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            condition()

    async def disconnect(self) -> None:
        """The client goes away; the application must end. Not when it was cancelled before."""
        self._incoming.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(PATIENCE_SECONDS):
            (outcome,) = await asyncio.gather(self.task, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome


def stream_scope(
    query: str = "", *, cookie: str = "", method: str = "GET", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """An ASGI scope as a server would make it."""
    given = {"host": "127.0.0.1:8000", "accept": "text/event-stream", **(headers or {})}
    if cookie:
        given["cookie"] = cookie
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/api/v1/notifications/stream",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }


async def session_cookie(user: Any) -> str:
    """The cookie of a new session of `user`."""
    key = await in_database_thread(new_session_key, user)
    return f"{settings.SESSION_COOKIE_NAME}={key}"


class Streams:
    """The streams of one test: opened in its loop, and gone with it, with everything that fed them."""

    def __init__(self) -> None:
        self._cookies: dict[Any, str] = {}
        self._opened: list[AsgiStream] = []

    async def open(
        self, user: Any | None = None, query: str = "", *, application: Any = stream, **options: Any
    ) -> AsgiStream:
        """Ask for a stream as `user`, of the users' endpoint or another; `options` go to `stream_scope`."""
        if user is not None:
            if user.pk not in self._cookies:
                self._cookies[user.pk] = await session_cookie(user)
            options["cookie"] = self._cookies[user.pk]
        opened = AsgiStream(stream_scope(query, **options), application)
        self._opened.append(opened)
        return opened

    async def answer(self, user: Any | None = None, query: str = "", **options: Any) -> AsgiStream:
        """Ask for what is no stream: the whole answer."""
        answered = await self.open(user, query, **options)
        await answered.wait_ended()
        await answered.task
        return answered

    async def close(self) -> None:
        """Leave nothing behind."""
        try:
            for opened in self._opened:
                opened.may_take.set()
                await opened.disconnect()
        finally:
            # What goes on may swallow that it is cancelled: then the end of the loop would wait for it for
            # ever.
            await current_runtime().stop()


async def send_to(user: Any, title: str = "Your order is on its way", **options: Any) -> UUID:
    """`factories.send` from a coroutine."""
    return await in_database_thread(send, user, title, **options)


async def hears_hints(user_id: Any) -> None:
    """Wait until this process is in a user's group: what was sent before that is not heard, and only the log
    brings it.
    """
    joined = current_runtime()._hint_receiver._joined
    await wait_until_async(lambda: user_key(user_id) in joined, what="a place in the user's group")
