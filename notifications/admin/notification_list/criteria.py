"""What an address of the list of notifications asks for: read once, for the list, its actions and its export
alike.

Most of it is about the event, which every recipient shares and a staged notification has from the start. So
each condition exists twice: in the terms of an event, by whose indexes the list is walked, and in those of a
notification joined with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from notifications.admin.notification_list import idempotency_keys
from notifications.admin.notification_list.search_box import username_field
from notifications.admin.notification_list.states import INDEXED, State, condition
from notifications.event_types import category_of
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.models import MAX_KEY_LENGTH, TYPES_CATEGORY, Level, Notification
from notifications.models.word_search import events_have_words, has_words

MAX_ID_DIGITS: Final = 18
AGES: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
PARAMETERS: Final = (
    "recipient", "state", "sent", "sent_from", "sent_to", "level", "category", "type", "topic", "producer", "key", "event"
)  # fmt: skip
BEFORE: Final = "before"  # where a page of the list begins
_YEARS: Final = range(2000, 3000)


class BadCriteria(ValueError):
    """A value that cannot be; its text is a sentence for the person who gave it."""


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Conditions, all of which hold.

    Attributes:
        base: about the notification alone, and what an index answers in the order of staging.
        rows: the rest of what is about the notification alone.
        events: about the event, in its own terms.
        joined: the same, in the terms of a notification.
        words: what its title and body have; None for any.
        unknown: the names of parameters whose value names nobody or nothing; then nothing is found.
        wrong: what is wrong with each parameter that cannot be read, as a sentence for the person who gave
            it. The other conditions hold. Whoever does something to all that is meant calls ``check`` first.
    """

    base: Q = field(default_factory=Q)
    rows: Q = field(default_factory=Q)
    events: Q = field(default_factory=Q)
    joined: Q = field(default_factory=Q)
    words: frozenset[str] | None = None
    unknown: frozenset[str] = frozenset()
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_about_events(self) -> bool:
        """Whether the list is walked event by event: nothing about the notification names few enough of
        them.
        """
        return not self.base and (bool(self.events) or self.words is not None)

    @property
    def of_events(self) -> Q:
        """All that is said of the event, in its own terms."""
        return self.events if self.words is None else self.events & events_have_words(self.words)

    @property
    def beside_base(self) -> Q:
        """All but ``base``, in the terms of a notification."""
        found = self.rows & self.joined
        return found if self.words is None else found & has_words(self.words)

    def narrow(self, rows: QuerySet[Notification]) -> QuerySet[Notification]:
        """The notifications that are meant, in no order."""
        return rows.none() if self.unknown else rows.filter(self.base, self.beside_base)

    def about_event(self, build: Callable[[str], Q]) -> Criteria:
        """With one condition more about the event; ``build`` is given what stands before its fields'
        names.
        """
        return replace(self, events=self.events & build(""), joined=self.joined & build("event__"))

    def without(self, name: str) -> Criteria:
        """With the parameter found to mean nothing."""
        return replace(self, unknown=self.unknown | {name})

    def with_wrong(self, name: str, text: str) -> Criteria:
        """With a parameter that cannot be read, and why."""
        return replace(self, wrong={**self.wrong, name: text})

    def check(self) -> None:
        """Raises BadCriteria, with all that is wrong: a condition that cannot be read does not mean
        everything.
        """
        if self.wrong:
            raise BadCriteria(" ".join(self.wrong.values()))


def parse(given: Mapping[str, str]) -> Criteria:
    """Read the parameters of an address; others are ignored, and impossible values are noted as wrong.

    Two queries at most: recipient and producer, or what a key sent.
    """
    criteria = Criteria()
    for name in PARAMETERS:
        if value := given.get(name, "").strip():
            try:
                check_text(value)
                criteria = _READERS[name](criteria, value)
            except BadCriteria as error:
                criteria = criteria.with_wrong(name, str(error))
    return criteria


def _recipient(criteria: Criteria, username: str) -> Criteria:
    user_id = _user_id(username)
    if user_id is None:
        return criteria.without("recipient")
    return replace(criteria, base=criteria.base & Q(recipient_id=user_id))


def _state(criteria: Criteria, value: str) -> Criteria:
    if value not in State:
        raise BadCriteria(_("“%s” is no state.") % value[:40])
    state = State(value)
    wanted = condition(state, timezone.now())
    if state in INDEXED:
        return replace(criteria, base=criteria.base & wanted)
    return replace(criteria, rows=criteria.rows & wanted)


def _event(criteria: Criteria, value: str) -> Criteria:
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_ID_DIGITS):
        raise BadCriteria(_("“%s” is no event.") % value[:40])
    return replace(criteria, base=criteria.base & Q(event_id=int(value)))


def _sent(criteria: Criteria, value: str) -> Criteria:
    if value not in AGES:
        raise BadCriteria(_("“%s” is no span of time.") % value[:40])
    since = timezone.now() - AGES[value]
    return criteria.about_event(lambda of: Q(**{f"{of}created_at__gte": since}))


def _sent_from(criteria: Criteria, value: str) -> Criteria:
    since = _time(value)
    return criteria.about_event(lambda of: Q(**{f"{of}created_at__gte": since}))


def _sent_to(criteria: Criteria, value: str) -> Criteria:
    until = _time(value, is_end=True)
    return criteria.about_event(lambda of: Q(**{f"{of}created_at__lt": until}))


def _level(criteria: Criteria, value: str) -> Criteria:
    if value not in Level:
        raise BadCriteria(_("“%s” is no level.") % value[:40])
    return criteria.about_event(lambda of: Q(**{f"{of}level": value}))


def _topic(criteria: Criteria, value: str) -> Criteria:
    return criteria.about_event(lambda of: Q(**{f"{of}topic": value}))


def _category(criteria: Criteria, value: str) -> Criteria:
    check_name("category", value)
    prefix = f"{value}."
    return criteria.about_event(
        lambda of: Q(event__type__startswith=prefix) if of else Q(Exact(TYPES_CATEGORY, value))
    )


def _type(criteria: Criteria, value: str) -> Criteria:
    check_name("type", value)
    if value.endswith(".*"):
        # No index has prefixes in an order that both databases agree on; the category narrows it enough.
        criteria = _category(criteria, category_of(value))
        return criteria.about_event(lambda of: Q(**{f"{of}type__startswith": value[:-1]}))
    return criteria.about_event(lambda of: Q(**{f"{of}type": value}))


def _producer(criteria: Criteria, username: str) -> Criteria:
    user_id = _user_id(username)
    if user_id is None:
        return criteria.without("producer")
    return criteria.about_event(lambda of: Q(**{f"{of}producer_id": user_id}))


def _key(criteria: Criteria, key: str) -> Criteria:
    found = idempotency_keys.events_sent_with(key) if len(key) <= MAX_KEY_LENGTH else []
    if not found:
        return criteria.without("key")
    return replace(criteria, base=criteria.base & Q(event_id__in=found))


_READERS: Final[dict[str, Callable[[Criteria, str], Criteria]]] = {
    "recipient": _recipient,
    "state": _state,
    "sent": _sent,
    "sent_from": _sent_from,
    "sent_to": _sent_to,
    "level": _level,
    "category": _category,
    "type": _type,
    "topic": _topic,
    "producer": _producer,
    "key": _key,
    "event": _event,
}


def check_text(text: str) -> None:
    """Raises BadCriteria for a text that no column can hold."""
    if "\0" in text:
        raise BadCriteria(_("No value holds a NUL character."))


def check_name(parameter: str, value: str) -> None:
    """Raises BadCriteria unless a category or type is one by the protocol's grammar."""
    try:
        Filters.parse({parameter: [value]})
    except InvalidInput as error:
        raise BadCriteria(_("“%s” is no event type or category.") % value[:40]) from error


def _user_id(username: str) -> Any:
    users = get_user_model()._default_manager.filter(**{username_field(): username})
    return users.values_list("pk", flat=True).first()


def _time(text: str, *, is_end: bool = False) -> datetime:
    """A date or a local time; as the end of a span, a date is meant inclusively."""
    is_day = len(text) <= len("2026-11-21")
    try:
        at = _midnight(text) if is_day else parse_datetime(text)
        if at is None or at.year not in _YEARS:
            raise ValueError(text)
    except ValueError as error:
        example = _("“%s” is not a time; write it like 2026-11-21 or 2026-11-21T06:30.")
        raise BadCriteria(example % text[:40]) from error
    if is_end and is_day:
        at += timedelta(days=1)
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _midnight(text: str) -> datetime | None:
    day = parse_date(text)
    return datetime.combine(day, time.min) if day else None
