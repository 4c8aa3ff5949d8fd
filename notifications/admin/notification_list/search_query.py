"""What a member of staff asks for, by filters and in the search box, as far as they may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, SEARCH_VAR
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from notifications.admin.notification_list.criteria import (
    BEFORE,
    PARAMETERS,
    BadCriteria,
    Criteria,
    check_text,
    parse,
)
from notifications.admin.notification_list.search_box import exactly, username_field
from notifications.admin.permissions import can
from notifications.exceptions import InvalidInput
from notifications.models import MAX_TOPIC_LENGTH, Event
from notifications.models.word_search import few_events_with
from notifications.protocol.search_words import parse_words

MAX_FEW: Final = 5_000  # events with certain words, whose keys then stand in the statement
# What an address of the list may have.
LIST_NAMES: Final = (*PARAMETERS, BEFORE, *IGNORED_PARAMS, ERROR_FLAG)
Reading = Literal["", "exact", "recipient", "topic", "type", "words", "refused"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for.

    Attributes:
        criteria: of filters and search together.
        reading: as what the text in the search box was taken; ``refused`` where it would have been words in
            content that the member of staff may not see.
    """

    criteria: Criteria
    reading: Reading = ""


def asked(request: HttpRequest, term: str) -> Asked:
    """``understood``, for whatever is done to all that is asked for.

    Raises:
        BadCriteria: something is impossible.
    """
    found = understood(request, term)
    found.criteria.check()
    return found


def understood(request: HttpRequest, term: str) -> Asked:
    """Read a request's filters, and what stands in the search box. A few queries, each by an index.

    A text is taken as the first of: an id, a cursor or ``username:position``; a username; a topic; an event
    type; words in title and body. In quotation marks it is words and nothing else. What is impossible is
    noted in the criteria as wrong.
    """
    criteria = parse(request.GET.dict())
    try:
        return _with_search(request, criteria, term)
    except BadCriteria as error:
        return Asked(criteria=criteria.with_wrong(SEARCH_VAR, str(error)))


def _with_search(request: HttpRequest, criteria: Criteria, term: str) -> Asked:
    if not (term := term.strip()):
        return Asked(criteria=criteria)
    check_text(term)
    is_quoted = len(term) > 1 and term[0] == term[-1] == '"'
    if not is_quoted:
        if (exact := exactly(term)) is not None:
            return Asked(criteria=replace(criteria, base=criteria.base & exact), reading="exact")
        if (reading := _known_as(term)) is not None:
            meant = parse({reading: term})
            return Asked(criteria=_both(criteria, meant), reading=reading)
    return _words(request, criteria, term)


def check_names(names: Iterable[str], known: Iterable[str] = LIST_NAMES) -> None:
    """Refuse parameters that mean nothing, as Django does for the list: they would be filters, misspelt.

    Args:
        names: of an address or a form.
        known: those that mean something there.

    Raises:
        BadCriteria: there is one.
    """
    if unknown := sorted(set(names) - set(known)):
        raise BadCriteria(_("“%s” is no filter of the list.") % unknown[0][:40])


def _words(request: HttpRequest, criteria: Criteria, term: str) -> Asked:
    try:
        words = parse_words(term)
    except InvalidInput as error:
        raise BadCriteria(_("The search %s.") % error.errors["q"]) from error
    if not can(request, "view_content"):
        return Asked(criteria=criteria.without("q"), reading="refused")
    words = words or frozenset()
    if (keys := few_events_with(words, limit=MAX_FEW)) is not None:
        found = criteria.about_event(lambda of: Q(**{f"{of}pk__in": keys}))
        return Asked(criteria=found, reading="words")
    return Asked(criteria=replace(criteria, words=words), reading="words")


def _known_as(term: str) -> Reading | None:
    users = get_user_model()._default_manager
    if users.filter(**{username_field(): term}).exists():
        return "recipient"
    if len(term) <= MAX_TOPIC_LENGTH and Event.objects.filter(topic=term).exists():
        return "topic"
    return "type" if Event.objects.filter(type=term).exists() else None


def _both(one: Criteria, other: Criteria) -> Criteria:
    return replace(
        one,
        base=one.base & other.base,
        events=one.events & other.events,
        joined=one.joined & other.joined,
        unknown=one.unknown | other.unknown,
        wrong={**one.wrong, **other.wrong},
    )
