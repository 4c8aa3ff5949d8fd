"""Times in templates, for ``{% load hub_times %}``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.templatetags.tz import datetimeobject

from notifications.protocol import local_times

register = template.Library()


@register.filter
def local_time(at: Any) -> Any:
    """Return a time in the site's time zone, or in UTC where that zone cannot show it.

    ``date`` and similar filters do not convert it again. Django's own conversion raises for such a time,
    which would break the whole page.
    """
    if not isinstance(at, datetime):
        return ""
    local = local_times.local_time(at)
    shown: Any = datetimeobject.combine(local.date(), local.timetz())
    shown.convert_to_local_time = False
    return shown
