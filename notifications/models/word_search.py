"""Conditions of queries: an event contains certain words.

PostgreSQL answers them by its own full-text search, from a column that the initial migration adds beside
Django's: it is generated from title and body, indexed, and unknown to the models. SQLite searches title and
body themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from django.db import connection
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from notifications.models.events import Event
from notifications.protocol.search_words import WORD_CHARACTERS
from notifications.sql.dialect import estimated_row_count, is_postgresql, table

# What PostgreSQL takes for the share of rows that have a word of which it knows nothing is 0.005.
_RARE: Final = 0.006


def has_words(words: Collection[str]) -> Q:
    """Return the condition that a notification's event has all ``words``; without words it holds for none.

    Words are compared whole and without regard to case.
    """
    if not words:
        return Q(position__lt=0)  # true of none, and still a statement, whose one row says where the inbox is
    if is_postgresql():
        return Q(event__in=_events_with(words))
    condition = Q()
    for word in sorted(words):
        condition &= _in_either_text(word, "event__")
    return condition


def events_have_words(words: Collection[str]) -> Q:
    """Return the same condition for events themselves."""
    if not words:
        return Q(pk__in=())
    if is_postgresql():
        return Q(RawSQL(*_has_all(words), output_field=BooleanField()))  # noqa: S611 (no input)
    condition = Q()
    for word in sorted(words):
        condition &= _in_either_text(word, "")
    return condition


def few_events_with(words: Collection[str], *, limit: int) -> list[int] | None:
    """Return the primary keys of all events with all words, in no order, or None where they may be many.

    PostgreSQL's own estimate decides which it is; on SQLite the answer is None. Two or three queries, by the
    index ``event_words`` whatever else is asked of the events: for words without statistics the planner would
    rather walk the whole table in order.
    """
    if not is_postgresql() or not words:
        return None
    condition, params = _has_all(words)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT id FROM {table(Event)} WHERE {condition}", params)  # noqa: S608 (no input)
        [[plan]] = cursor.fetchone()
        if plan["Plan"]["Plan Rows"] > max(limit, estimated_row_count(Event) * _RARE):
            return None
        cursor.execute(f"SELECT id FROM {table(Event)} WHERE {condition} LIMIT {limit + 1}", params)  # noqa: S608 (no input)
        keys = [key for [key] in cursor.fetchall()]
    return keys if len(keys) <= limit else None


def _events_with(words: Collection[str]) -> RawSQL:
    """Return a subquery for the keys of events with all words, by the index ``event_words``."""
    condition, params = _has_all(words)
    return RawSQL(f"SELECT id FROM {table(Event)} WHERE {condition}", params)  # noqa: S608, S611 (no input)


def _has_all(words: Collection[str]) -> tuple[str, list[Any]]:
    """Return the condition on a row of events, and its parameters."""
    spelled = [_spellings(word) for word in sorted(words)]
    # plainto_tsquery knows no operators: whatever the words are, they stay words.
    query = " && ".join(
        f"({' || '.join(['plainto_tsquery($$simple$$, %s)'] * len(spellings))})" for spellings in spelled
    )
    params: list[Any] = [spelling for spellings in spelled for spelling in spellings]
    return f"{table(Event)}.search_words @@ ({query})", params


def _spellings(word: str) -> list[str]:
    """Return the spellings that a word may have in a text.

    In a database with the locale C, PostgreSQL folds the case of ASCII letters only.
    """
    lower = word.lower()
    if word.isascii():
        return [lower]
    return sorted({word, lower, word.upper(), word.capitalize()})


def _in_either_text(word: str, of: str) -> Q:
    pattern = f"(?<![{WORD_CHARACTERS}]){re.escape(word)}(?![{WORD_CHARACTERS}])"
    # SQLite's own LIKE folds ASCII alone; it goes first, because it passes over most rows many times faster
    # than Python can.
    likely = Q()
    if word.isascii():
        likely = Q(**{f"{of}title__icontains": word}) | Q(**{f"{of}body__icontains": word})
    return likely & (Q(**{f"{of}title__iregex": pattern}) | Q(**{f"{of}body__iregex": pattern}))
