"""The condition that an event has certain words, in the terms of the database at hand.

PostgreSQL answers it by its own full-text search, from a column that migration 0006 adds beside Django's: it is generated
from title and body, indexed, and never seen by the models. SQLite looks at title and body themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL

from notifications.models.inboxes import Event
from notifications.search import WORD_CHARACTERS


def has_words(words: Collection[str]) -> Q:
    """What is true of notifications whose event has each of ``words``, whole and in either case; nothing has no words."""
    if not words:
        return Q(position__lt=0)  # true of none, and still a statement, whose one row says where the inbox is
    if connection.vendor == "postgresql":
        return Q(event__in=_events_with(words))
    condition = Q()
    for word in sorted(words):
        condition &= _in_either_text(word)
    return condition


def _events_with(words: Collection[str]) -> RawSQL:
    """The keys of events with all words, by the index ``event_words``."""
    spelled = [_spellings(word) for word in sorted(words)]
    # plainto_tsquery knows no operators: whatever the words are, they stay words.
    query = " && ".join(
        f"({' || '.join(['plainto_tsquery($$simple$$, %s)'] * len(spellings))})" for spellings in spelled
    )
    params: list[Any] = [spelling for spellings in spelled for spelling in spellings]
    table = connection.ops.quote_name(Event._meta.db_table)
    return RawSQL(f"SELECT id FROM {table} WHERE search_words @@ ({query})", params)  # noqa: S608, S611 (no input)


def _spellings(word: str) -> list[str]:
    """A word as it may stand in a text. In a database with the locale C, PostgreSQL folds the case of ASCII letters only."""
    lower = word.lower()
    if word.isascii():
        return [lower]
    return sorted({word, lower, word.upper(), word.capitalize()})


def _in_either_text(word: str) -> Q:
    pattern = f"(?<![{WORD_CHARACTERS}]){re.escape(word)}(?![{WORD_CHARACTERS}])"
    # SQLite's own LIKE folds ASCII alone; it goes first, because it passes over most rows many times faster than Python can.
    likely = Q(event__title__icontains=word) | Q(event__body__icontains=word) if word.isascii() else Q()
    return likely & (Q(event__title__iregex=pattern) | Q(event__body__iregex=pattern))
