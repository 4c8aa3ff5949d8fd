"""A context processor for the login page, which a project names in its settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from notifications.contrib.demo.users import DEMO_USERS


def demo_users(request: HttpRequest) -> dict[str, Any]:
    """Return the demo users that exist, whose passwords are their names; none outside of development.

    One query, and only if a template reads them.
    """
    return {"demo_usernames": SimpleLazyObject(_usernames) if settings.DEBUG else []}


def _usernames() -> list[str]:
    users = get_user_model()
    names = [user.name for user in DEMO_USERS]
    found = users._default_manager.filter(**{f"{users.USERNAME_FIELD}__in": names})
    return sorted(found.values_list(users.USERNAME_FIELD, flat=True))
