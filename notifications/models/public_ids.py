"""Keys that the hub makes itself."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import uuid_utils.compat


def new_public_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): unique over all processes, and near in an index to its contemporaries."""
    return uuid_utils.compat.uuid7()


def made_at(key: uuid.UUID) -> datetime | None:
    """Tell when a UUIDv7 was made, to the millisecond; None of a key of another kind, which somebody else
    must have made.
    """
    if key.version != 7:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=key.int >> 80)


def staged_at(public_id: uuid.UUID, stored_at: datetime) -> datetime:
    """Tell when a notification was staged.

    That may be long after its event was stored: a chunk of a broadcast waits for its turn, and what staff
    deliver again or copy is of an event that happened before.

    Args:
        public_id: the notification's.
        stored_at: when its event was stored. It is the answer where the id does not tell, or tells of a time
            before that.
    """
    return max(made_at(public_id) or stored_at, stored_at)
