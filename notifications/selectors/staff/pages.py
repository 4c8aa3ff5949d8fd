"""The first rows of a list that may be much longer, and whether there are more."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet


def first_rows(rows: QuerySet[Any, Any], limit: int) -> tuple[list[Any], bool]:
    """The first rows of a list, and whether it has more than these. One query, of one row more."""
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit
