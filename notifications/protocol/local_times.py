"""How a time is shown in the site's time zone."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone


def local_time(at: datetime) -> datetime:
    """Return a time in the site's time zone, or in UTC where that zone cannot show it.

    Such a time may have been written by SQL; it must not break the page.
    """
    try:
        return timezone.localtime(at)
    except (OverflowError, ValueError):
        return at
