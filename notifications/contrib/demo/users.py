"""The demo users, for development only: their passwords are known to everybody."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


class DemoUser(NamedTuple):
    """A user's name, which is also the password, and whether that user is staff and a superuser."""

    name: str
    is_staff: bool = False


def demo_users(request: HttpRequest) -> dict[str, Any]:
    """Return the demo users that exist, whose passwords are their names; none outside of development.

    One query, and only if a template reads them.
    """
    return {"demo_usernames": SimpleLazyObject(_usernames) if settings.DEBUG else []}


DEMO_USERS: Final = (DemoUser("admin", is_staff=True), DemoUser("ada"), DemoUser("grace"))


def _usernames() -> list[str]:
    users = get_user_model()
    names = [user.name for user in DEMO_USERS]
    found = users._default_manager.filter(**{f"{users.USERNAME_FIELD}__in": names})
    return sorted(found.values_list(users.USERNAME_FIELD, flat=True))
