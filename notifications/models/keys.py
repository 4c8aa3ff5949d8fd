"""Keys that the hub makes itself."""

from __future__ import annotations

import uuid

import uuid_utils.compat


def new_public_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): unique over all processes, and near in an index to its contemporaries."""
    return uuid_utils.compat.uuid7()
