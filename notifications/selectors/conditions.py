"""Filters as a condition of a query."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from notifications.filters import Filters


def condition(filters: Filters, *, source: str = "") -> Q:
    """Return the condition that the filters admit a row.

    Args:
        source: the prefix of the columns: empty for those of the notification itself, ``event__`` for those
            of its event.
    """
    condition = Q()
    if filters.categories:
        condition &= Q(**{f"{source}category__in": sorted(filters.categories)})
    if filters.types or filters.type_prefixes:
        exact = Q(**{f"{source}type__in": sorted(filters.types)})
        condition &= exact | _any(_type_prefix(source, prefix) for prefix in filters.type_prefixes)
    if filters.topics:
        condition &= Q(**{f"{source}topic__in": sorted(filters.topics)})
    if filters.levels:
        condition &= Q(**{f"{source}level__in": sorted(filters.levels)})
    return condition


def _type_prefix(source: str, prefix: str) -> Q:
    return Q(**{f"{source}type__startswith": prefix})


def _any(conditions: Iterable[Q]) -> Q:
    result = Q(pk__in=())
    for condition in conditions:
        result |= condition
    return result
