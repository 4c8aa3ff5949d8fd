"""Reads of broadcasts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from notifications.exceptions import NotFound
from notifications.models import Broadcast


def get_broadcast(broadcast_id: UUID, *, owner_id: Any) -> Broadcast:
    """Return a broadcast of a producer. One query.

    Raises:
        NotFound: it does not exist, or is somebody else's.
    """
    job = Broadcast.objects.filter(pk=broadcast_id, owner_id=owner_id).first()
    if job is None:
        raise NotFound("There is no such job.")
    return job
