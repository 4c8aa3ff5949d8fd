"""Translates between users and the names by which commands take and show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from notifications.exceptions import InvalidInput
from notifications.models import Inbox
from notifications.protocol import strict_json


def user_key(name: str) -> Any:
    """Return the primary key of the user of this name.

    Raises:
        CommandError: there is none.
    """
    users = get_user_model()
    try:
        strict_json.check_text(name, field="USER")
        return users._default_manager.values_list("pk", flat=True).get(**{users.USERNAME_FIELD: name})
    except (InvalidInput, users.DoesNotExist):
        raise CommandError(f"There is no user {name!r}.") from None


def inbox_key(name: str) -> Any:
    """Return the primary key of the user of this name, who has an inbox.

    Raises:
        CommandError: there is no such user, or they have no inbox yet.
    """
    key = user_key(name)
    if not Inbox.objects.filter(pk=key).exists():
        raise CommandError(f"{name!r} has no inbox yet: nothing was sent to them, and they never opened it.")
    return key


def user_names(user_ids: Iterable[Any]) -> dict[Any, str]:
    """Return the names of some users by their keys. One query."""
    users = get_user_model()
    rows = users._base_manager.filter(pk__in=set(user_ids)).values_list("pk", users.USERNAME_FIELD)
    return dict(rows)
