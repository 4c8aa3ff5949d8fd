"""The bytes of every frame of the stream (protocol, section 6).

Pure: no Django, no event loop, no clock. Invariants:

- A frame is ``event``, ``retry`` where it has one, ``data``, and ``id`` last: one that was cut off never
  moves a cursor.
- ``data`` is one ASCII JSON object on one line; lines end with LF alone; a frame ends with its first empty
  line.
- What any field holds can never break the framing: a frame that would have one line too many is refused here.
- There are no comments and no frames without data: page code must be able to see that a stream is alive.
  ``silent`` makes the one exception, on the Range dialect's stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Resume = Literal["exact", "compacted", "reset", "none"]
ResetReason = Literal["malformed", "epoch", "ahead", "expired", "too_far"]
# Why the hub closes a stream. Each one is a ``models.EndReason``, too, and stands in ``RECONNECT``.
CloseReason = Literal["rotate", "shutdown", "revoked", "slow", "replaced", "limit", "error"]

# Whether a client whose stream ended so is to come back by itself; the browser's own
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
    """Why a stream ends.

    Attributes:
        reason: as ``stream.close`` says it.
        may_return: the client is to come back whatever the reason: it may have a better right by now.
    """

    reason: CloseReason
    may_return: bool = False

    @property
    def reconnect(self) -> bool:
        """Whether the client is to come back by itself."""
        return self.may_return or RECONNECT[self.reason]


# What `retry:` says when a client is not to come back by itself: a day.
NO_RECONNECT_MS: Final = 86_400_000


class BrokenFrame(ValueError):
    """A field holds what no frame can carry; its row was written past the services."""


def frame(event: str, data: bytes, *, cursor: str = "", retry_ms: int | None = None) -> bytes:
    """Put one frame together.

    Args:
        event: the name in ``event:``.
        data: one line of ASCII JSON.
        cursor: what ``id:`` says; empty for frames that have none.
        retry_ms: milliseconds after which the client is to come back.

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


def opened(
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
    """``stream.open``, with the start cursor as its id, unless a reset follows: a stream cut there would
    resume past it.
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


def reset(*, reason: ResetReason, cursor: str) -> bytes:
    """``stream.reset``: nothing can be resumed from what the client knows; it goes on from the head."""
    return frame("stream.reset", _json({"reason": reason, "cursor": cursor}), cursor=cursor)


def live(*, cursor: str, replayed: int) -> bytes:
    """``stream.live``: the backlog is out."""
    return frame("stream.live", _json({"cursor": cursor, "replayed": replayed}), cursor=cursor)


def heartbeat(*, cursor: str, head: str, at: str) -> bytes:
    """``stream.heartbeat``: the stream is alive, and everything up to the cursor has been considered.

    Made by hand, hundreds a second: neither a cursor nor a time has anything to escape.
    """
    data = f'{{"cursor":"{cursor}","head":"{head}","at":"{at}"}}'
    return frame("stream.heartbeat", data.encode("ascii"), cursor=cursor)


def transient(*, event_id: str, event_type: str, topic: str, at: str, data: str) -> bytes:
    """A transient event under its own type. Its id stands in its data alone: it is no change, and no cursor
    moves.

    Args:
        data: one line of ASCII JSON.
    """
    about = _json({"id": event_id, "type": event_type, "topic": topic, "at": at})
    return frame(event_type, b'%s,"data":%s}' % (about[:-1], data.encode("ascii")))


def shown(*, at: str, notification: bytes) -> bytes:
    """``notification.shown``: staff show one again. Without an id: it is no change, and no cursor moves.

    Args:
        notification: the object as one line of ASCII JSON.
    """
    return frame(
        "notification.shown", b'{"at":%b,"notification":%b}' % (json.dumps(at).encode(), notification)
    )


def closed(*, reason: CloseReason, retry_ms: int, reconnect: bool) -> bytes:
    """``stream.close``: the last frame, with when to come back, if at all.

    Args:
        reason: why.
        retry_ms: after how many milliseconds.
        reconnect: whether to come back.
    """
    retry_ms = retry_ms if reconnect else NO_RECONNECT_MS
    data = {"reason": reason, "reconnect": reconnect, "retry_ms": retry_ms}
    return frame("stream.close", _json(data), retry_ms=retry_ms)


def silent(built: bytes, *, retry_ms: int) -> bytes:
    """A frame without what a reader of the Range dialect would take for a signal: ``retry:`` and ``id:`` are
    left of it.

    Args:
        built: a frame that is no change.
        retry_ms: for one that has no ``retry:`` of its own.
    """
    fields = [line for line in built.split(b"\n") if line.startswith((b"retry:", b"id:"))]
    if not fields or not fields[0].startswith(b"retry:"):
        fields.insert(0, b"retry: %d" % retry_ms)
    return b"\n".join(fields) + b"\n\n"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
