"""The times that the hub accepts, which can be shown in any time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

# Python has only the years 1 to 9999, and no zone is a day or more away from UTC.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
TIME_EXAMPLE: Final = "2026-11-21T02:03:04Z"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_time(value: object) -> datetime | None:
    """Return a time of RFC 3339, which has a zone; None for anything else.

    Whether every time zone can show it, ``time_problem`` says.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def time_problem(at: Any) -> str | None:
    """Return why a value is refused as a time, or None."""
    try:
        if not isinstance(at, datetime) or at.utcoffset() is None:
            return "must be a time with a time zone"
        is_displayable = EARLIEST <= at <= LATEST
    except (OverflowError, ValueError):  # raised by a zone's rules at the edges of the calendar
        is_displayable = False
    return None if is_displayable else "must lie in the years 1 to 9999, a day away from either end"
