"""The filters of lists, changes and stream (protocol, section 5), which have the same names everywhere.

Pure. A notification is admitted when, for each filter that is given, it has one of the filter's values. A
filter never fails open: what was meant as one and cannot be understood is refused, because a client that is
given everything instead would not notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from notifications.event_types import CATEGORY, LEVELS, type_of_route
from notifications.exceptions import MAX_ERRORS, FieldErrors, InvalidInput, UnknownFilter
from notifications.protocol import strict_json

MAX_VALUES: Final = 50
MAX_VALUE_LENGTH: Final = 100
_GRAMMAR: Final = {
    "category": CATEGORY,
    # A name has two to four segments; what stands before a `.*`, one to three.
    "type": re.compile(r"[a-z][a-z0-9_]*((\.[a-z][a-z0-9_]*){1,3}|(\.[a-z][a-z0-9_]*){0,2}\.\*)", re.ASCII),
}
_HINTS: Final = {"category": "", "type": "; orders.* takes all whose first segment is orders"}
# The text of filters: only a topic may have anything in it, and only levels come after one.
_TEXT: Final = re.compile(
    r"(?:category=(?P<category>[a-z0-9_,]+)(?:&|$))?(?:type=(?P<type>[a-z0-9_.*,]+)(?:&|$))?"
    r"(?:topic=(?P<topic>.+?)(?:&(?=level=[a-z,]+$)|$))?(?:level=(?P<level>[a-z,]+))?",
    re.ASCII | re.DOTALL,
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
NAMES: Final = ("category", "type", "topic", "level")
# Each filter may be given by either name, and by both.
PLURALS: Final = {"category": "categories", "type": "types", "topic": "topics", "level": "levels"}
_KNOWN: Final = frozenset([*NAMES, *PLURALS.values()])
# What other services call their filters. These, and our own names in another spelling, can be meant as
# nothing else.
_MISTAKEN: Final = frozenset(
    [*_KNOWN, "event", "events", "eventtype", "eventtypes", "tag", "tags", "channel", "channels"]
)
_SEPARATORS: Final = re.compile(r"[-_\s]")


class Subject(Protocol):
    """What filters look at: the fields that events, notifications and changes have in common."""

    @property
    def type(self) -> str | None:
        """The event type."""

    @property
    def category(self) -> str | None:
        """The category that its event was stored with."""

    @property
    def topic(self) -> str | None:
        """The topic."""

    @property
    def level(self) -> str | None:
        """The level; None or empty for what has none."""


class SubjectValues(NamedTuple):
    """The fields of a subject for which there is no row."""

    type: str
    topic: str
    category: str = ""
    level: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """Which notifications are wanted; empty sets admit everything.

    Attributes:
        categories, topics, levels: exact values.
        types: exact names of event types.
        type_prefixes: prefixes with their final dot, from values such as ``orders.order.*``.
    """

    categories: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    type_prefixes: tuple[str, ...] = ()
    topics: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, given: Mapping[str, Sequence[str]]) -> Filters:
        """Return the filters that query parameters ask for.

        Several values are given by comma, by repetition, or under the plural of the name.

        Args:
            given: for each name, its values as they stand in the query string; names that cannot be meant as
                a filter's are ignored.

        Raises:
            UnknownFilter: a name that is meant as a filter's, and is none.
            InvalidInput: an empty, overlong or impossible value, or more than 50 in all.
        """
        values: dict[str, list[str]] = {name: [] for name in NAMES}
        errors = FieldErrors()
        with errors:
            _refuse_mistaken(given)
        for name in NAMES:
            for alias in (name, PLURALS[name]):
                with errors:
                    values[name] += _split(name, given.get(alias, ()), called=alias)
        errors.check()
        if sum(map(len, values.values())) > MAX_VALUES:
            raise InvalidInput({"filter": f"at most {MAX_VALUES} filter values may be given"})
        if not any(values.values()):
            return NO_FILTERS  # shared by all streams that want everything
        return cls(
            categories=frozenset(values["category"]),
            types=frozenset(value for value in values["type"] if not value.endswith(".*")),
            type_prefixes=tuple(sorted(value[:-1] for value in values["type"] if value.endswith(".*"))),
            topics=frozenset(values["topic"]),
            levels=frozenset(values["level"]),
        )

    @classmethod
    def parse_dialect(cls, given: Mapping[str, Sequence[str]]) -> Filters:
        """Return the filters that query parameters of the Range dialect ask for.

        They are those of ``parse``, and ``route``, which names event types as KERIA does.

        Raises:
            InvalidInput: as for ``parse``; or a route is none, or comes with a type.
        """
        filters, routes = cls.parse(given), given.get("route", ())
        if not routes:
            return filters
        if filters.types or filters.type_prefixes:
            raise InvalidInput({"route": "must not come with a type as well"})
        values = [part for text in routes for part in text.split(",")]
        for value in values:
            strict_json.check_text(value, field="route")
            if not value.startswith("/") or len(value) > MAX_VALUE_LENGTH or _CONTROL.search(value):
                raise InvalidInput({"route": "must be a route, such as /orders/order/shipped"})
        if len(values) > MAX_VALUES:
            raise InvalidInput({"route": f"at most {MAX_VALUES} may be given"})
        return replace(filters, types=frozenset(map(type_of_route, values)))

    @property
    def by_name(self) -> dict[str, list[str]]:
        """The sorted values of each filter that was given, by its name.

        Clients are told these, so that they see how their filters were understood.
        """
        types = self.types | {f"{prefix}*" for prefix in self.type_prefixes}
        given = zip(NAMES, (self.categories, types, self.topics, self.levels), strict=True)
        return {name: sorted(values) for name, values in given if values}

    def __str__(self) -> str:
        """Return the filters as they would stand in a query string, but without percent-encoding."""
        return "&".join(f"{name}={','.join(values)}" for name, values in self.by_name.items())

    @classmethod
    def from_text(cls, text: str) -> Filters:
        """Return the filters whose ``str`` the text is.

        Raises:
            InvalidInput: it is no text of filters.
        """
        if (found := _TEXT.fullmatch(text)) is None:
            raise InvalidInput({"filter": "is no text of filters"})
        return cls.parse({name: [value] for name, value in found.groupdict().items() if value is not None})

    def __bool__(self) -> bool:
        return bool(self.categories or self.types or self.type_prefixes or self.topics or self.levels)

    def names_type(self, event_type: str) -> bool:
        """Return whether a filter names the event type, by its name or a prefix; without types, none does."""
        return event_type in self.types or event_type.startswith(self.type_prefixes)

    def admits(self, subject: Subject) -> bool:
        """Return whether the filters admit a subject. A field that it does not have matches no value."""
        event_type = subject.type or ""
        return (
            (not self.categories or (subject.category or "") in self.categories)
            and (not (self.types or self.type_prefixes) or self.names_type(event_type))
            and (not self.topics or (subject.topic or "") in self.topics)
            and (not self.levels or (subject.level or "") in self.levels)
        )

    def admits_all_read(self, read_category: str) -> bool:
        """Return whether the filters admit an all-read change, which can be filtered by its category alone.

        Args:
            read_category: its own category; empty for one that is about all categories.
        """
        if self.types or self.type_prefixes or self.topics or self.levels:
            return False
        return not self.categories or not read_category or read_category in self.categories


NO_FILTERS: Final = Filters()


def _refuse_mistaken(names: Iterable[str]) -> None:
    """Raise UnknownFilter for names that are meant as a filter's.

    They are those of other services, ours in another spelling, and all names with brackets.
    """
    mistaken = [
        name
        for name in names
        if name not in _KNOWN
        and (_SEPARATORS.sub("", name.casefold()) in _MISTAKEN or "[" in name or "]" in name)
    ]
    if mistaken:
        text = f"is no filter; those are {', '.join(NAMES)}, several values by comma or repetition"
        raise UnknownFilter({name[:MAX_VALUE_LENGTH]: text for name in mistaken[:MAX_ERRORS]})


def _split(name: str, given: Sequence[str], *, called: str) -> list[str]:
    values = [part for text in given for part in text.split(",")]
    for value in values:
        if not value or len(value) > MAX_VALUE_LENGTH:
            raise InvalidInput({called: f"each value must have 1 to {MAX_VALUE_LENGTH} characters"})
        strict_json.check_text(value, field=called)
        if name in _GRAMMAR and not _GRAMMAR[name].fullmatch(value):
            raise InvalidInput({called: f"{value!r} can be no {name}{_HINTS[name]}"})
        if name == "topic" and _CONTROL.search(value):
            raise InvalidInput({called: "no topic holds a control character"})
        if name == "level" and value not in LEVELS:
            raise InvalidInput({called: f"{value!r} is none of {', '.join(LEVELS)}"})
    return values
