"""Checks that users exist: one may be deleted between being looked up and being written to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F

from notifications.exceptions import InvalidInput
from notifications.sql.arrays import AnyOf


def existing_users(keys: Collection[Any]) -> set[Any]:
    """Return those primary keys that belong to a user. One query.

    Users whom the default manager of the model hides count too.
    """
    users = get_user_model()._base_manager.filter(AnyOf(F("pk"), keys))
    return set(users.values_list("pk", flat=True))


def check_users_exist(keys: Collection[Any], *, field: str) -> None:
    """Raise an error if a user does not exist, or does not any more. One query.

    Args:
        keys: their primary keys.
        field: the name of the field in the error.

    Raises:
        InvalidInput: with the first of those who are missing.
    """
    found = existing_users(keys)
    gone = next((key for key in keys if key not in found), None)
    if gone is not None:
        raise InvalidInput({field: f"there is no user with the key {gone!r}; they may have been deleted"})
