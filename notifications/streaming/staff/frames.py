"""The frames of the staff's streams. Their names are none of the protocol's, but for heartbeat and close,
which are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from notifications.event_types import category_of
from notifications.fold import CHANGE_NAMES, KINDS, Carries
from notifications.payloads import timestamp
from notifications.protocol.cursors import Cursor
from notifications.protocol.times import local_time
from notifications.selectors import WatchedChange
from notifications.streaming import frames


def frame(
    name: str, data: Mapping[str, object], *, last: int | None = None, retry_ms: int | None = None
) -> bytes:
    """One frame.

    Args:
        last: up to which id of changes everything was considered, for a browser that comes back; None for no
            such thing.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    cursor = "" if last is None else str(last)
    return frames.frame(name, text.encode("ascii"), cursor=cursor, retry_ms=retry_ms)


def heartbeat() -> bytes:
    """The stream is alive."""
    return frame("stream.heartbeat", {"at": timestamp(datetime.now(UTC))})


def change_data(change: WatchedChange, *, with_content: bool) -> dict[str, object]:
    """What staff are told of a change; the title is content."""
    told: dict[str, object] = {
        "id": change.id,
        "change": CHANGE_NAMES.get(change.kind, change.kind),
        "kind": change.kind,
        "at": timestamp(change.at),
        # As all other times in the admin: by the clock of the site.
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
        return {**told, "up_to": change.up_to, "category": change.category}
    type_ = change.type or ""
    about: dict[str, object] = {
        "notification": str(change.public_id),
        "type": type_,
        "category": category_of(type_),
        "topic": change.topic,
        "level": change.level,
    }
    return {**told, **about, **({"title": change.title} if with_content else {})}
