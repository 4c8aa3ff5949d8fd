"""Which changes a watcher of the live tail wants to see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from notifications.filters import NAMES, PLURALS, Filters
from notifications.fold import KINDS, Carries
from notifications.selectors import WatchedChange

MAX_RECIPIENTS: Final = 50
# All that the address of a tail may hold: what is none of these was meant to narrow it, and must not show everything.
TAIL_PARAMETERS: Final = frozenset([*NAMES, *PLURALS.values(), "recipient", "change"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What one watcher wants to see; empty sets admit everything.

    Attributes:
        filters: those of the protocol.
        recipients: usernames.
        kinds: of changes, as ``ChangeKind`` has them.
    """

    filters: Filters
    recipients: frozenset[str]
    kinds: frozenset[str]

    def admits(self, change: WatchedChange) -> bool:
        """Whether a change is wanted. All-read has neither type nor topic nor level: only a category can be wanted of it."""
        if self.recipients and change.username not in self.recipients:
            return False
        if self.kinds and change.kind not in self.kinds:
            return False
        filters = self.filters
        if KINDS[change.kind].carries is not Carries.NOTHING:
            return filters.admits(
                event_type=change.type or "", topic=change.topic or "", level=change.level or ""
            )
        is_wider = not (filters.types or filters.type_prefixes or filters.topics or filters.levels)
        return is_wider and (
            not filters.categories or not change.category or change.category in filters.categories
        )
