"""What each of the criteria means, as conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from notifications.event_types import first_segment
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.models import FIRST_SEGMENT, MAX_KEY_LENGTH, Broadcast, IdempotencyKey, Level, Notification
from notifications.models.word_search import few_events_with
from notifications.protocol.search_words import parse_words
from notifications.selectors.staff.notification_list.conditions import Conditions
from notifications.selectors.staff.notification_list.criteria import (
    AGES,
    FIELDS,
    SEARCH,
    BadCriteria,
    Criteria,
)
from notifications.selectors.staff.notification_list.search_box import exact_match, known_as
from notifications.selectors.staff.states import INDEXED, State, in_state
from notifications.selectors.staff.users import key_of_username

MAX_ID_DIGITS: Final = 18
MAX_FEW: Final = 5_000  # events with certain words, whose keys then stand in the statement
_YEARS: Final = range(2000, 3000)
# A key belongs to a producer and a path: several may have used the same one, but not very many.
MAX_ANSWERS: Final = 20
MAX_EVENTS: Final = 1_000


def conditions_of(criteria: Criteria, *, may_search_content: bool) -> Conditions:
    """Read criteria. A few queries, each by an index; impossible values are noted as wrong.

    What stands in the search box is taken as the first of: an id, a cursor or ``username:position``; a
    username; a topic; an event type; words in title and body. In quotation marks it is words and nothing
    else.

    Args:
        criteria: what is asked for.
        may_search_content: words in title and body may be searched; otherwise such a search finds nothing.
    """
    conditions = _with_fields(Conditions(), criteria)
    try:
        return _with_search(conditions, criteria.search, may_search_content=may_search_content)
    except BadCriteria as error:
        return conditions.with_wrong(SEARCH, str(error))


def events_sent_with(key: str) -> list[int]:
    """The events of every request that came with a key in the past 24 hours. Three queries at most."""
    answers = IdempotencyKey.objects.filter(key=key).order_by("-pk").values_list("body", "location")
    notifications: list[UUID] = []
    broadcasts: list[UUID] = []
    for body, location in answers[:MAX_ANSWERS]:
        if location:
            broadcasts += _uuids([location.rstrip("/").rpartition("/")[2]])
        else:
            notifications += _first_of_each(body)
    found = set(Broadcast.objects.filter(pk__in=broadcasts).values_list("event_id", flat=True))
    sent = Notification.objects.filter(public_id__in=notifications[:MAX_EVENTS])
    return sorted(found | set(sent.values_list("event_id", flat=True)))


def _with_fields(conditions: Conditions, criteria: Criteria) -> Conditions:
    for name in FIELDS:
        if value := getattr(criteria, name):
            try:
                _check_text(value)
                conditions = _READERS[name](conditions, value)
            except BadCriteria as error:
                conditions = conditions.with_wrong(name, str(error))
    return conditions


def _with_search(conditions: Conditions, text: str, *, may_search_content: bool) -> Conditions:
    if not text:
        return conditions
    _check_text(text)
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if not is_quoted:
        if (exact := exact_match(text)) is not None:
            return replace(conditions.with_indexed(exact), searched_as="exact")
        if (name := known_as(text)) is not None:
            return replace(_with_fields(conditions, Criteria.from_parameters({name: text})), searched_as=name)
    return _with_words(conditions, text, may_search_content=may_search_content)


def _with_words(conditions: Conditions, text: str, *, may_search_content: bool) -> Conditions:
    try:
        words = parse_words(text) or frozenset()
    except InvalidInput as error:
        raise BadCriteria(_("The search %s.") % error.errors["q"]) from error
    if not may_search_content:
        return replace(conditions.with_unknown(SEARCH), searched_as="refused")
    if (keys := few_events_with(words, limit=MAX_FEW)) is not None:
        found = conditions.with_event(lambda of: Q(**{f"{of}pk__in": keys}))
        return replace(found, searched_as="words")
    return replace(conditions, words=words, searched_as="words")


def _recipient(conditions: Conditions, username: str) -> Conditions:
    user_id = key_of_username(username)
    if user_id is None:
        return conditions.with_unknown("recipient")
    return conditions.with_indexed(Q(recipient_id=user_id))


def _state(conditions: Conditions, value: str) -> Conditions:
    if value not in State:
        raise BadCriteria(_("“%s” is not a state.") % value[:40])
    state = State(value)
    wanted = in_state(state, timezone.now())
    if state in INDEXED:
        return conditions.with_indexed(wanted)
    return replace(conditions, unindexed=conditions.unindexed & wanted)


def _event(conditions: Conditions, value: str) -> Conditions:
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_ID_DIGITS):
        raise BadCriteria(_("“%s” is not an event.") % value[:40])
    return conditions.with_indexed(Q(event_id=int(value)))


def _sent(conditions: Conditions, value: str) -> Conditions:
    if value not in AGES:
        raise BadCriteria(_("“%s” is not a period of time.") % value[:40])
    since = timezone.now() - AGES[value]
    return conditions.with_event(lambda of: Q(**{f"{of}created_at__gte": since}))


def _sent_from(conditions: Conditions, value: str) -> Conditions:
    since = _time(value)
    return conditions.with_event(lambda of: Q(**{f"{of}created_at__gte": since}))


def _sent_to(conditions: Conditions, value: str) -> Conditions:
    until = _time(value, is_end=True)
    return conditions.with_event(lambda of: Q(**{f"{of}created_at__lt": until}))


def _level(conditions: Conditions, value: str) -> Conditions:
    if value not in Level:
        raise BadCriteria(_("“%s” is not a level.") % value[:40])
    return conditions.with_event(lambda of: Q(**{f"{of}level": value}))


def _topic(conditions: Conditions, value: str) -> Conditions:
    return conditions.with_event(lambda of: Q(**{f"{of}topic": value}))


def _category(conditions: Conditions, value: str) -> Conditions:
    _check_name("category", value)
    return conditions.with_event(lambda of: Q(**{f"{of}category": value}))


def _type(conditions: Conditions, value: str) -> Conditions:
    _check_name("type", value)
    if value.endswith(".*"):
        # The index of first segments narrows it.
        begins = Q(Exact(FIRST_SEGMENT, first_segment(value)))
        return conditions.with_event(
            lambda of: Q(**{f"{of}type__startswith": value[:-1]}) & (Q() if of else begins)
        )
    return conditions.with_event(lambda of: Q(**{f"{of}type": value}))


def _producer(conditions: Conditions, username: str) -> Conditions:
    user_id = key_of_username(username)
    if user_id is None:
        return conditions.with_unknown("producer")
    return conditions.with_event(lambda of: Q(**{f"{of}producer_id": user_id}))


def _key(conditions: Conditions, key: str) -> Conditions:
    found = events_sent_with(key) if len(key) <= MAX_KEY_LENGTH else []
    if not found:
        return conditions.with_unknown("key")
    return conditions.with_indexed(Q(event_id__in=found))


_READERS: Final[dict[str, Callable[[Conditions, str], Conditions]]] = {
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


def _check_text(text: str) -> None:
    """Raises BadCriteria for a text that no column can hold."""
    if "\0" in text:
        raise BadCriteria(_("A value cannot contain a NUL character."))


def _check_name(parameter: str, value: str) -> None:
    """Raises BadCriteria unless a category or type is one by the protocol's grammar."""
    try:
        Filters.parse({parameter: [value]})
    except InvalidInput as error:
        raise BadCriteria(_("“%s” is not an event type or category.") % value[:40]) from error


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


def _first_of_each(body: str) -> list[UUID]:
    """One notification of each event that an answer names: all of an event have the same."""
    try:
        answer = json.loads(body)
    except ValueError:
        return []
    results: Any = answer.get("results", [answer]) if isinstance(answer, dict) else []
    return list(_uuids(result["ids"][0] for result in results if result.get("ids")))


def _uuids(texts: Any) -> Iterator[UUID]:
    for text in texts:
        try:
            yield UUID(text)
        except ValueError:
            continue
