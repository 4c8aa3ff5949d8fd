"""The long poll, ``changes?wait=``: waits here for a change, holding neither a thread nor a database
connection.

Then, or as soon as there is any reason not to wait, the request goes on to Django unchanged, which checks and
answers it as one without ``wait``. So nothing is refused here, and nothing decided.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from notifications import selectors, services
from notifications.exceptions import HubError
from notifications.filters import Filters
from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.services.credentials.bearer import refuse_in_url
from notifications.streaming.asgi import Headers, Receive, Scope, Send
from notifications.streaming.connection.request import parse_query
from notifications.streaming.database_threads import in_pool
from notifications.streaming.door import guard
from notifications.streaming.door.credentials import identify
from notifications.streaming.process.long_polls import LongPoll
from notifications.streaming.process.runtime import Runtime, current_runtime
from notifications.streaming.refusal import Refusal

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS: Final = 25.0  # under the 30–60 s after which proxies give up
MAX_KEPT_BYTES: Final = 65_536  # of a body, which no poll needs
# As ``rest.inputs`` has it: what it refuses need not wait for that.
_LIMIT: Final = re.compile(r"[1-9]|[1-9][0-9]|[1-4][0-9][0-9]|500", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a poll waits for, and how long at most."""

    seconds: float
    after: Cursor
    filters: Filters

    @classmethod
    def of(cls, scope: Scope, headers: Headers) -> Wish | None:
        """What a request asks for; None when it is not to wait, or is wrong, which its answer then says."""
        if scope["method"] != "GET" or b"wait=" not in scope["query_string"]:
            return None
        try:
            guard.check_host(headers)
            guard.check_size(scope)
            parameters = parse_query(scope["query_string"])
            refuse_in_url(parameters)
            seconds = clamp_wait(parameters.get("wait", [""])[-1])
            if (
                not seconds
                or "after" not in parameters
                or not _LIMIT.fullmatch(parameters.get("limit", ["1"])[-1])
            ):
                return None
            after = Cursor.parse(parameters["after"][-1])
            return cls(seconds=seconds, after=after, filters=Filters.parse(parameters))
        except (Refusal, HubError):
            return None


def clamp_wait(text: str) -> float:
    """The seconds that a client is ready to wait, within 0–25; 0 for what is no number."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS) if seconds == seconds else 0.0


async def poll(
    scope: Scope, receive: Receive, send: Send, application: Callable[..., Awaitable[None]]
) -> None:
    """Answer one request for changes by ``application``, once there is something to answer or the time is
    over.
    """
    headers = Headers(scope)
    wish = Wish.of(scope, headers)
    runtime = current_runtime()
    if wish is None or runtime.is_draining:
        await application(scope, receive, send)
        return
    client = Client(receive)
    try:
        with runtime.long_polls.admit() as has_room:
            if has_room:
                await _wait(runtime, wish, headers, client)
        if not client.is_gone:
            await application(scope, client.receive, send)
    finally:
        client.leave()


async def _wait(runtime: Runtime, wish: Wish, headers: Headers, client: Client) -> None:
    """End with the first of: news, the end of the time, the end of the client."""
    waiting = asyncio.create_task(_until_news(runtime, wish, headers))
    watching = asyncio.create_task(client.watch())
    try:
        await asyncio.wait([waiting, watching], timeout=wish.seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        watching.cancel()
        await asyncio.wait([waiting, watching])
    if not waiting.cancelled() and (error := waiting.exception()) is not None:
        logger.warning("A long poll did not wait: %r", error)


async def _until_news(runtime: Runtime, wish: Wish, headers: Headers) -> None:
    try:
        credential = await in_pool(identify, headers, None, False)
    except Refusal:
        return
    state = await in_pool(services.open_inbox, credential.user_id)
    after = wish.after.position
    if wish.after.epoch != state.epoch or not state.floor <= after <= state.head:
        return
    if after < state.head and await in_pool(_has_news, state, wish):
        return
    news = LongPoll(after=state.head, filters=wish.filters, credential=credential)
    with runtime.long_polls.admit_for(state.user_id, news) as has_room:
        inbox = runtime.fanout.join(news, state)
        try:
            # What came between the reading and the joining was offered to others already: rather answer for
            # nothing.
            if has_room and inbox.position <= state.head and not runtime.is_draining:
                await news.is_over.wait()
        finally:
            runtime.fanout.leave(news, inbox)


def _has_news(state: InboxState, wish: Wish) -> bool:
    """Whether there is any already. Runs in the private pool."""
    found = selectors.changes_after(
        state.user_id, after=wish.after.position, up_to=state.head, limit=1, filters=wish.filters
    )
    return bool(found)


class Client:
    """The other end of a request, watched while it waits, and passed on as if nobody had.

    Args:
        receive: the server's.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen: deque[MutableMapping[str, Any]] = deque()
        self._coming: asyncio.Task[MutableMapping[str, Any]] | None = None
        self.is_gone = False

    async def watch(self) -> None:
        """End when the client has gone, or has sent more than is kept here."""
        kept = 0
        while kept <= MAX_KEPT_BYTES:
            message = await self._next()
            self._seen.append(message)
            if message["type"] == "http.disconnect":
                self.is_gone = True
                return
            kept += len(message.get("body", b""))

    async def receive(self) -> MutableMapping[str, Any]:
        """The server's ``receive`` for whoever comes next, from the beginning."""
        return self._seen.popleft() if self._seen else await self._next()

    def leave(self) -> None:
        """Nobody listens any more."""
        if self._coming is not None:
            self._coming.cancel()

    async def _next(self) -> MutableMapping[str, Any]:
        """One at a time, and none is lost when whoever waits for it is cancelled."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(self._receive())
        message = await asyncio.shield(self._coming)
        self._coming = None
        return message
