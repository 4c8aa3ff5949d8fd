"""The long poll, ``changes?wait=``: waits for a change without holding a thread or a database connection.

As soon as there is a change, or any reason not to wait, the request goes on to Django unchanged, which checks
and answers it like one without ``wait``. So nothing is refused here, and nothing decided.
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
from notifications.services.credentials.tokens import refuse_in_url
from notifications.streaming.asgi import Headers, Receive, Scope, Send
from notifications.streaming.connection.request import parse_query
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door import guard
from notifications.streaming.door.credentials import identify
from notifications.streaming.process.long_polls import LongPoll
from notifications.streaming.process.runtime import Runtime, current_runtime
from notifications.streaming.refusals import Refusal

logger = logging.getLogger(__name__)

MAX_WAIT_SECONDS: Final = 25.0  # under the 30–60 s after which proxies give up
MAX_BUFFERED_BYTES: Final = 65_536  # of a body; a poll needs none
# The same as in ``rest.inputs``: a limit that it refuses is refused at once, without a wait.
_LIMIT: Final = re.compile(r"[1-9]|[1-9][0-9]|[1-4][0-9][0-9]|500", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitRequest:
    """The change that a long poll waits for, and the longest time that it waits."""

    seconds: float
    after: Cursor
    filters: Filters

    @classmethod
    def read(cls, scope: Scope, headers: Headers) -> WaitRequest | None:
        """Read a request; return None when it is not to wait, or is wrong, which its answer then says."""
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
    """Return the seconds that a client is ready to wait, within 0–25; 0 for text that is not a number."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS) if seconds == seconds else 0.0


async def poll(
    scope: Scope, receive: Receive, send: Send, application: Callable[..., Awaitable[None]]
) -> None:
    """Let ``application`` answer a request for changes, once there is a change or the time is over."""
    headers = Headers(scope)
    wait_request = WaitRequest.read(scope, headers)
    runtime = current_runtime()
    if wait_request is None or runtime.is_draining:
        await application(scope, receive, send)
        return
    client = ClientWatch(receive)
    try:
        with runtime.long_polls.admit() as has_room:
            if has_room:
                await _wait(runtime, wait_request, headers, client)
        if not client.is_gone:
            await application(scope, client.receive, send)
    finally:
        client.stop()


async def _wait(runtime: Runtime, wait_request: WaitRequest, headers: Headers, client: ClientWatch) -> None:
    """Wait until there is a change, the time is over, or the client has gone."""
    wait = asyncio.create_task(_wait_for_change(runtime, wait_request, headers))
    watch = asyncio.create_task(client.watch())
    try:
        await asyncio.wait([wait, watch], timeout=wait_request.seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        wait.cancel()
        watch.cancel()
        await asyncio.wait([wait, watch])
    if not wait.cancelled() and (error := wait.exception()) is not None:
        logger.warning("A long poll did not wait: %r", error)


async def _wait_for_change(runtime: Runtime, wait_request: WaitRequest, headers: Headers) -> None:
    try:
        credential = await in_database_thread(identify, headers, None, False)
    except Refusal:
        return
    state = await in_database_thread(services.open_inbox, credential.user_id)
    after = wait_request.after.position
    if wait_request.after.epoch != state.epoch or not state.floor <= after <= state.head:
        return
    if after < state.head and await in_database_thread(_has_change, state, wait_request):
        return
    long_poll = LongPoll(after=state.head, filters=wait_request.filters, credential=credential)
    with runtime.long_polls.admit_for(state.user_id, long_poll) as has_room:
        inbox = runtime.fanout.join(long_poll, state)
        try:
            # Changes between reading the inbox and joining it were offered to others already. Answer at once
            # then, even if none of them passes the filters.
            if has_room and inbox.position <= state.head and not runtime.is_draining:
                await long_poll.is_over.wait()
        finally:
            runtime.fanout.leave(long_poll, inbox)


def _has_change(state: InboxState, wait_request: WaitRequest) -> bool:
    """Return whether a matching change exists already. Runs in a database thread."""
    found = selectors.changes_after(
        state.user_id,
        after=wait_request.after.position,
        up_to=state.head,
        limit=1,
        filters=wait_request.filters,
    )
    return bool(found)


class ClientWatch:
    """Watches the client of a request while it waits, and passes on everything that it has sent.

    Args:
        receive: the server's.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._buffered: deque[MutableMapping[str, Any]] = deque()
        self._receiving: asyncio.Task[MutableMapping[str, Any]] | None = None
        self.is_gone = False

    async def watch(self) -> None:
        """End when the client has gone, or has sent more than is buffered here."""
        buffered_bytes = 0
        while buffered_bytes <= MAX_BUFFERED_BYTES:
            message = await self._next()
            self._buffered.append(message)
            if message["type"] == "http.disconnect":
                self.is_gone = True
                return
            buffered_bytes += len(message.get("body", b""))

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the client's next message, from the first one on, for the application that answers."""
        return self._buffered.popleft() if self._buffered else await self._next()

    def stop(self) -> None:
        """Stop listening to the client."""
        if self._receiving is not None:
            self._receiving.cancel()

    async def _next(self) -> MutableMapping[str, Any]:
        """Receive the next message; it is not lost when whoever waits for it is cancelled."""
        if self._receiving is None:
            self._receiving = asyncio.ensure_future(self._receive())
        message = await asyncio.shield(self._receiving)
        self._receiving = None
        return message
