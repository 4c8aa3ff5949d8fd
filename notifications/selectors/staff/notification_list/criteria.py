"""What staff filter the notification list by, as a value: read from an address, and stored with a replay.

What the values mean is said in ``meaning``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

AGES: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
# The parameter of an address, and the key of a stored replay, for what stands in the search box. All others
# are called as the fields are.
SEARCH: Final = "q"


class BadCriteria(ValueError):
    """A value that cannot be; its text is a sentence for the person who gave it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Criteria:
    """Texts as they were typed or chosen; an empty one asks for nothing. A notification must meet them all.

    Attributes:
        recipient, producer: usernames.
        state: one of ``states.State``.
        sent: how long ago at most, one of ``AGES``.
        sent_from, sent_to: dates or times.
        level, category, type, topic: of the event; a type may end in ``.*``.
        key: an idempotency key.
        event: the primary key of an event.
        search: what stands in the search box.
    """

    recipient: str = ""
    state: str = ""
    sent: str = ""
    sent_from: str = ""
    sent_to: str = ""
    level: str = ""
    category: str = ""
    type: str = ""
    topic: str = ""
    producer: str = ""
    key: str = ""
    event: str = ""
    search: str = ""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Criteria:
        """Read the parameters of an address, or what ``as_parameters`` gave. Others are ignored."""
        given = {name: parameters.get(name, "").strip() for name in FIELDS}
        return cls(**given, search=parameters.get(SEARCH, "").strip())

    def as_parameters(self) -> dict[str, str]:
        """The parameters of an address that asks for the same; also how a replay stores them, as JSON."""
        texts = {(SEARCH if name == "search" else name): text for name, text in asdict(self).items()}
        return {name: text for name, text in texts.items() if text}

    def fixed_at(self, now: datetime) -> Criteria:
        """The same, meaning later what it means now: a span that ends now becomes the time that it began."""
        if (age := AGES.get(self.sent)) is None:
            return self
        return replace(self, sent="", sent_from=self.sent_from or (now - age).isoformat())

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != _NOTHING


FIELDS: Final = tuple(name for name in Criteria.__dataclass_fields__ if name != "search")
PARAMETERS: Final = (*FIELDS, SEARCH)
_NOTHING: Final = Criteria()
