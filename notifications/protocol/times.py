"""The times that the hub accepts, which can be shown in any time zone, and how it shows any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.utils import timezone

# Python has only the years 1 to 9999, and no zone is a day or more away from UTC.
EARLIEST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LATEST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def time_problem(at: Any) -> str | None:
    """Return why a value is refused as a time, or None."""
    try:
        if not isinstance(at, datetime) or at.utcoffset() is None:
            return "must be a time with a time zone"
        is_displayable = EARLIEST <= at <= LATEST
    except (OverflowError, ValueError):  # raised by a zone's rules at the edges of the calendar
        is_displayable = False
    return None if is_displayable else "must lie in the years 1 to 9999, a day away from either end"


def local_time(at: datetime) -> datetime:
    """Return a time in the site's time zone, or in UTC where that zone cannot show it.

    Such a time may have been written by SQL; it must not break the page.
    """
    try:
        return timezone.localtime(at)
    except (OverflowError, ValueError):
        return at
