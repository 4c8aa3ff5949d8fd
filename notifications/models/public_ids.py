"""Keys that the hub makes itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import uuid_utils.compat


def new_public_id() -> uuid.UUID:
    """Return a new UUIDv7 (RFC 9562), which is unique over all processes and ascends with time."""
    return uuid_utils.compat.uuid7()


def made_at(key: uuid.UUID) -> datetime | None:
    """Return when a UUIDv7 was made, to the millisecond; None for a UUID of another version."""
    if key.version != 7:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=key.int >> 80)


def staged_at(public_id: uuid.UUID, stored_at: datetime) -> datetime:
    """Return when a notification was staged.

    That may be long after its event was stored: a chunk of a broadcast waits for its turn, and what staff
    deliver again or copy belongs to an older event.

    Args:
        public_id: the notification's.
        stored_at: when its event was stored; returned if the id holds no time, or an earlier one.
    """
    return max(made_at(public_id) or stored_at, stored_at)
