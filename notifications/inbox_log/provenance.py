"""Values that say who made a change and by which way in, and what came of an action."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from notifications.models import Via
from notifications.selectors import InboxState


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """The author of a change and the way in, recorded with the change for the staff's timeline.

    Attributes:
        by: username, token or command; empty for the hub itself.
        via: the way in: ``page``, ``api``, ``admin``, ``producer`` or ``system``.
        address: the client's IP address, where there is one.
    """

    by: str = ""
    via: str = Via.SYSTEM
    address: str | None = None


SYSTEM = Provenance()


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result of an action.

    Attributes:
        changed: the number of notifications whose state changed; 0 when all had it already.
        not_found: ids that are not listed in this inbox, in the order they were given.
        inbox: the inbox's counters after the action.
    """

    changed: int
    inbox: InboxState
    not_found: list[UUID] = field(default_factory=list)
