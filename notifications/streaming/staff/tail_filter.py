"""Which changes a watcher of the live tail wants to see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from notifications.filters import NAMES, PLURALS, Filters
from notifications.fold import KINDS, Carries
from notifications.selectors import WatchedChange

MAX_RECIPIENTS: Final = 50
# The parameters of a tail. Any other one was meant to narrow it, so it is refused: ignoring it would show
# everything.
TAIL_PARAMETERS: Final = frozenset([*NAMES, *PLURALS.values(), "recipient", "change"])


@dataclass(frozen=True, kw_only=True, slots=True)
class TailFilter:
    """The changes that one watcher wants to see. An empty set admits everything.

    Attributes:
        filters: the filters of the protocol.
        recipients: usernames.
        kinds: values of ``ChangeKind``.
    """

    filters: Filters
    recipients: frozenset[str]
    kinds: frozenset[str]

    def admits(self, change: WatchedChange) -> bool:
        """Return whether a change is wanted.

        All-read has neither a type nor a topic nor a level, so only a filter by category can admit it.
        """
        if self.recipients and change.username not in self.recipients:
            return False
        if self.kinds and change.kind not in self.kinds:
            return False
        if KINDS[change.kind].carries is Carries.NOTHING:
            return self.filters.admits_all_read(change.read_category)
        return self.filters.admits(change)
