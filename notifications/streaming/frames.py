"""The bytes of every frame of the stream (protocol, section 6).

Pure: no Django, no event loop, no clock. Invariants:

- The lines of a frame are ``event``, ``retry`` (if it has one), ``data``, and ``id`` last, so a frame that
  was cut off never moves a cursor.
- ``data`` is one ASCII JSON object on one line. Lines end with LF alone. A frame ends with its first empty
  line.
- No content can break the framing: a frame that would have one line too many is refused here.
- There are no comments and no frames without data, because the code of a page must be able to see that a
  stream is alive. ``without_data`` is the one exception, for the Range dialect's stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Resume = Literal["exact", "compacted", "reset", "none"]
ResetReason = Literal["malformed", "epoch", "ahead", "expired", "too_far"]
# Why the hub closes a stream. Each is also a ``models.EndReason`` and a key of ``RECONNECT``.
CloseReason = Literal["rotate", "shutdown", "revoked", "slow", "replaced", "limit", "error"]

# Whether a client is to reconnect by itself after its stream was closed with a reason. The browser client
# (static/notifications/policy.js) obeys it.
RECONNECT: Final[Mapping[CloseReason, bool]] = {
    "rotate": True,
    "shutdown": True,
    "slow": True,
    "error": True,
    "limit": True,
    "revoked": False,
    "replaced": False,
}


class Ending(NamedTuple):
    """Why a stream ends, and whether its client is to reconnect.

    Attributes:
        reason: the reason in ``stream.close``.
        must_reconnect: the client is to reconnect whatever the reason, because it may have a new session by
            now.
    """

    reason: CloseReason
    must_reconnect: bool = False

    @property
    def reconnect(self) -> bool:
        """Whether the client is to reconnect by itself."""
        return self.must_reconnect or RECONNECT[self.reason]


# The value of `retry:` for a client that is not to reconnect by itself: a day.
NO_RECONNECT_MS: Final = 86_400_000


class BrokenFrame(ValueError):
    """A field holds text that no frame can carry, so its row was not written by the services."""


def frame(event: str, data: bytes, *, cursor: str = "", retry_ms: int | None = None) -> bytes:
    """Build one frame.

    Args:
        event: the value of ``event:``.
        data: the value of ``data:``, one line of ASCII JSON.
        cursor: the value of ``id:``; empty for a frame without one.
        retry_ms: the value of ``retry:``, the milliseconds after which a client reconnects; None for a frame
            without one.

    Raises:
        BrokenFrame: a field is empty, is not ASCII, or holds a line break.
    """
    try:
        name, last = event.encode("ascii"), cursor.encode("ascii")
    except UnicodeEncodeError as error:
        raise BrokenFrame(f"not ASCII: {event!r} {cursor!r}") from error
    retry = b"" if retry_ms is None else b"\nretry: %d" % retry_ms
    tail = b"\nid: %b" % last if last else b""
    built = b"event: %b%b\ndata: %b%b\n\n" % (name, retry, data, tail)
    line_count = 3 + bool(retry) + bool(tail)
    if built.count(b"\n") != line_count or b"\r" in built or not (name and data and data.isascii()):
        raise BrokenFrame(f"{event!r} would not stay one frame")
    return built


def stream_open(
    *,
    stream: str,
    inbox: str,
    cursor: str,
    head: str,
    unread_count: int,
    heartbeat_seconds: int,
    filters: Mapping[str, list[str]],
    resume: Resume,
    retry_ms: int,
) -> bytes:
    """Return ``stream.open``.

    Its id is the start cursor, but not if a reset follows: a stream that was cut off in between would then
    resume as if there had been no reset.
    """
    data = {
        "stream": stream,
        "inbox": inbox,
        "cursor": cursor,
        "head": head,
        "unread_count": unread_count,
        "heartbeat": heartbeat_seconds,
        "filters": filters,
        "resume": resume,
    }
    return frame("stream.open", _json(data), cursor="" if resume == "reset" else cursor, retry_ms=retry_ms)


def stream_reset(*, reason: ResetReason, cursor: str) -> bytes:
    """Return ``stream.reset``: the cursor cannot be resumed, and the stream goes on from the head."""
    return frame("stream.reset", _json({"reason": reason, "cursor": cursor}), cursor=cursor)


def stream_live(*, cursor: str, replayed: int) -> bytes:
    """Return ``stream.live``: the backlog was sent."""
    return frame("stream.live", _json({"cursor": cursor, "replayed": replayed}), cursor=cursor)


def stream_heartbeat(*, cursor: str, head: str, at: str) -> bytes:
    """Return ``stream.heartbeat``: the stream is alive, and everything up to the cursor has been considered.

    There are hundreds a second, so the JSON is written by hand: a cursor and a time hold nothing to escape.
    """
    data = f'{{"cursor":"{cursor}","head":"{head}","at":"{at}"}}'
    return frame("stream.heartbeat", data.encode("ascii"), cursor=cursor)


def transient(*, event_id: str, event_type: str, topic: str, at: str, data: str) -> bytes:
    """Return the frame of a transient event, named after its type.

    It has no ``id:``, because it is no change and must not move a cursor; the event's id is in the data.

    Args:
        event_id, event_type, topic, at: fields of the event.
        data: the event's own data, one line of ASCII JSON.
    """
    about = _json({"id": event_id, "type": event_type, "topic": topic, "at": at})
    return frame(event_type, b'%s,"data":%s}' % (about[:-1], data.encode("ascii")))


def notification_shown(*, at: str, notification: bytes) -> bytes:
    """Return ``notification.shown``: staff show a notification again.

    It has no ``id:``, because it is no change and must not move a cursor.

    Args:
        at: when it is shown.
        notification: the notification, one line of ASCII JSON.
    """
    return frame(
        "notification.shown", b'{"at":%b,"notification":%b}' % (json.dumps(at).encode(), notification)
    )


def stream_close(*, reason: CloseReason, retry_ms: int, reconnect: bool) -> bytes:
    """Return ``stream.close``, the last frame of a stream.

    Args:
        reason: why the stream ends.
        retry_ms: the milliseconds after which the client is to reconnect.
        reconnect: whether it is to reconnect at all.
    """
    retry_ms = retry_ms if reconnect else NO_RECONNECT_MS
    data = {"reason": reason, "reconnect": reconnect, "retry_ms": retry_ms}
    return frame("stream.close", _json(data), retry_ms=retry_ms)


def without_data(built: bytes, *, retry_ms: int) -> bytes:
    """Return only the ``retry:`` and ``id:`` lines of a frame.

    A reader of the Range dialect would take any other frame for a signal.

    Args:
        built: the frame, which is no change.
        retry_ms: the value of ``retry:`` if the frame has none.
    """
    fields = [line for line in built.split(b"\n") if line.startswith((b"retry:", b"id:"))]
    if not fields or not fields[0].startswith(b"retry:"):
        fields.insert(0, b"retry: %d" % retry_ms)
    return b"\n".join(fields) + b"\n\n"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
