"""Which times the hub takes, those that can be shown in any time zone; and how it shows one that came past it
all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.utils import timezone

# Python has no years before 1 and after 9999, and no zone is a day or more away from UTC.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def time_problem(at: Any) -> str | None:
    """Why something is refused as a time, or None."""
    try:
        if not isinstance(at, datetime) or at.utcoffset() is None:
            return "must be a time with a time zone"
        is_shown_anywhere = EARLIEST <= at <= LATEST
    except (OverflowError, ValueError):  # of the rules of a zone, at the edges of the calendar
        is_shown_anywhere = False
    return None if is_shown_anywhere else "must lie in the years 1 to 9999, a day away from either end"


def local_time(at: datetime) -> datetime:
    """By the clock of the site; in UTC where its zone cannot show it, so that no page is lost to a row that
    was written by SQL.
    """
    try:
        return timezone.localtime(at)
    except (OverflowError, ValueError):
        return at
