"""Times in templates, for ``{% load hub_times %}``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.templatetags.tz import datetimeobject

from notifications.protocol import times

register = template.Library()


@register.filter
def local_time(at: Any) -> Any:
    """By the clock of the site, or in UTC where its zone cannot show it; ``date`` and the like take it as it
    is.

    Django's own conversion raises for the latter, and would take the whole page along.
    """
    if not isinstance(at, datetime):
        return ""
    local = times.local_time(at)
    shown: Any = datetimeobject.combine(local.date(), local.timetz())
    shown.convert_to_local_time = False
    return shown
