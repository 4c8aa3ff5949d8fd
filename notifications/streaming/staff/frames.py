"""The frames of the staff streams. Only heartbeat and close have the same names as in the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from notifications.change_kinds import CHANGE_NAMES, KINDS, Carries
from notifications.payloads import timestamp
from notifications.protocol.cursors import Cursor
from notifications.protocol.local_times import local_time
from notifications.selectors import WatchedChange
from notifications.streaming import frames


def frame(
    name: str, data: Mapping[str, object], *, last: int | None = None, retry_ms: int | None = None
) -> bytes:
    """Build one frame.

    Args:
        name: the value of ``event:``.
        data: the value of ``data:``.
        last: the value of ``id:``: every change up to this primary key was considered, so a browser that
            reconnects goes on after it. None for a frame without one.
        retry_ms: the value of ``retry:``; None for a frame without one.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    cursor = "" if last is None else str(last)
    return frames.frame(name, text.encode("ascii"), cursor=cursor, retry_ms=retry_ms)


def heartbeat() -> bytes:
    """Return ``stream.heartbeat`` with the time of now."""
    return frame("stream.heartbeat", {"at": timestamp(datetime.now(UTC))})


def change_data(change: WatchedChange, *, with_content: bool) -> dict[str, object]:
    """Return what staff see of a change. The title is content, which takes a permission."""
    data: dict[str, object] = {
        "id": change.id,
        "change": CHANGE_NAMES.get(change.kind, change.kind),
        "kind": change.kind,
        "at": timestamp(change.at),
        # In the site's time zone, like all other times in the admin.
        "shown_at": local_time(change.at).strftime("%Y-%m-%d %H:%M:%S"),
        "cursor": str(Cursor(change.epoch, change.position)),
        "position": change.position,
        "unread_count": change.unread_count,
        "inbox": str(change.user_id),
        "recipient": change.username,
        "by": change.by,
        "via": change.via,
        "reason": change.reason,
    }
    if KINDS[change.kind].carries is Carries.NOTHING:
        return {**data, "up_to": change.up_to, "category": change.read_category}
    about: dict[str, object] = {
        "notification": str(change.public_id),
        "type": change.type,
        "category": change.category,
        "topic": change.topic,
        "level": change.level,
    }
    return {**data, **about, **({"title": change.title} if with_content else {})}
