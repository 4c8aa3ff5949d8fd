"""The ASGI applications of the staff streams.

A request passes the same guard as one for a user's stream. Then its session and permissions are checked; a
token opens no staff stream.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from notifications.exceptions import MAX_ERRORS, InvalidInput, UnknownFilter
from notifications.filters import MAX_VALUE_LENGTH, Filters
from notifications.models import ChangeKind
from notifications.streaming import frames, timing
from notifications.streaming.asgi import Headers, Receive, Scope, Send
from notifications.streaming.connection.transport import SERVER_SEND, transport_of
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door import guard
from notifications.streaming.frames import CloseReason
from notifications.streaming.process.runtime import current_runtime
from notifications.streaming.refusals import Refusal, send_closed_stream, send_refusal, send_stream_headers
from notifications.streaming.staff.authorization import StaffRight, authorize
from notifications.streaming.staff.registry import current_staff_streams
from notifications.streaming.staff.replay import ReplayFeed
from notifications.streaming.staff.replay_speed import SPEEDS
from notifications.streaming.staff.stream import Feed, StaffStream
from notifications.streaming.staff.tail import MAX_RECIPIENTS, TAIL_PARAMETERS, TailFeed, TailFilter

logger = logging.getLogger(__name__)

_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_KINDS: Final = frozenset(ChangeKind.values)

Parameters = Mapping[str, list[str]]


async def tail(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the live tail: all changes of all inboxes as they happen, or those that a filter admits."""
    await _serve(scope, receive, send, _tail_feed, needs_inbox=False)


async def replay(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a replay: the log of one inbox, played forward."""
    await _serve(scope, receive, send, _replay_feed, needs_inbox=True)


async def _serve(
    scope: Scope,
    receive: Receive,
    send: Send,
    feed_for: Callable[[Parameters, Headers], Feed],
    *,
    needs_inbox: bool,
) -> None:
    headers = Headers(scope)
    staff = current_staff_streams()
    try:
        parameters = guard.check_own_site(scope, headers)
        feed = _read(feed_for, parameters, headers)
        right = await _authorize(headers, needs_inbox=needs_inbox)
        if scope["method"] == "HEAD":
            await send_stream_headers(send, [])
            return
        if current_runtime().is_draining:
            await send_closed_stream(send, _close("shutdown"), [])
            return
        staff.check_room()
    except Refusal as refusal:
        if refusal.status in (429, 503):  # after which a browser would never reconnect
            await send_closed_stream(send, _close("limit" if refusal.code == "stream_limit" else "error"), [])
        else:
            await send_refusal(send, refusal, [])
        return
    stream = StaffStream(send=send, transport=transport_of(scope.get(SERVER_SEND)), right=right, feed=feed)
    await staff.serve(stream, receive)


def _close(reason: CloseReason) -> bytes:
    return frames.stream_close(reason=reason, retry_ms=timing.retry_ms(reason), reconnect=True)


def _read(feed_for: Callable[[Parameters, Headers], Feed], parameters: Parameters, headers: Headers) -> Feed:
    try:
        return feed_for(parameters, headers)
    except InvalidInput as invalid:
        raise Refusal(invalid.code, str(invalid), errors=invalid.errors) from invalid


async def _authorize(headers: Headers, *, needs_inbox: bool) -> StaffRight:
    try:
        return await in_database_thread(authorize, headers, needs_inbox=needs_inbox)
    except (Refusal, asyncio.CancelledError):
        raise
    except Exception as error:
        logger.exception("A staff stream could not be opened")
        raise Refusal("unavailable") from error


def _tail_feed(parameters: Parameters, headers: Headers) -> Feed:
    if unknown := [name for name in parameters if name not in TAIL_PARAMETERS]:
        raise UnknownFilter(
            {name[:MAX_VALUE_LENGTH]: "is no filter of the tail" for name in unknown[:MAX_ERRORS]}
        )
    kinds = frozenset(kind for text in parameters.get("change", ()) for kind in text.split(","))
    if not kinds <= _KINDS:
        raise InvalidInput({"change": f"each must be one of {', '.join(sorted(_KINDS))}"})
    recipients = frozenset(parameters.get("recipient", ()))
    if len(recipients) > MAX_RECIPIENTS or "" in recipients:
        raise InvalidInput({"recipient": f"1 to {MAX_RECIPIENTS} usernames may be given"})
    tail_filter = TailFilter(filters=Filters.parse(parameters), recipients=recipients, kinds=kinds)
    after = headers.get("last-event-id") or ""
    return TailFeed(
        current_staff_streams().tail, tail_filter, int(after) if _NUMBER.fullmatch(after) else None
    )


def _replay_feed(parameters: Parameters, headers: Headers) -> Feed:
    after, speed = (parameters.get(name, [""])[-1] for name in ("after", "speed"))
    if not _NUMBER.fullmatch(after):
        raise InvalidInput({"after": "must be a position"})
    if speed not in map(str, SPEEDS):
        raise InvalidInput({"speed": f"must be one of {', '.join(map(str, SPEEDS))}"})
    return ReplayFeed(_inbox_key(parameters), after=int(after), speed=int(speed))


def _inbox_key(parameters: Parameters) -> Any:
    try:
        # This also runs the field's validators: a number too large for the column would be a database error.
        return get_user_model()._meta.pk.clean(parameters.get("inbox", [""])[-1], None)
    except ValidationError:
        raise InvalidInput({"inbox": "must be the key of a user"}) from None
