"""Which changes a watcher of the live tail wants to see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from notifications.filters import NAMES, PLURALS, Filters
from notifications.fold import KINDS, Carries
from notifications.selectors import WatchedChange

MAX_RECIPIENTS: Final = 50
# All that the address of a tail may hold: what is none of these was meant to narrow it, and must not show
# everything.
TAIL_PARAMETERS: Final = frozenset([*NAMES, *PLURALS.values(), "recipient", "change"])


@dataclass(frozen=True, kw_only=True, slots=True)
class TailFilter:
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
        """Whether a change is wanted. All-read has neither type nor topic nor level: only a category can be
        wanted of it.
        """
        if self.recipients and change.username not in self.recipients:
            return False
        if self.kinds and change.kind not in self.kinds:
            return False
        if KINDS[change.kind].carries is Carries.NOTHING:
            return self.filters.admits_all_of(change.category)
        return self.filters.admits(change)
