"""Which users there are: one may be deleted between being looked up and being written to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F

from notifications.exceptions import InvalidInput
from notifications.sql.arrays import AnyOf


def existing_users(keys: Collection[Any]) -> set[Any]:
    """Those of some primary keys that are of a user, also of one whom the model's manager hides. One
    query.
    """
    users = get_user_model()._base_manager.filter(AnyOf(F("pk"), keys))
    return set(users.values_list("pk", flat=True))


def check_users_exist(keys: Collection[Any], *, field: str) -> None:
    """Refuse users who are not there (any more). One query.

    Args:
        keys: their primary keys.
        field: what an error calls them.

    Raises:
        InvalidInput: with the first of those who are missing.
    """
    found = existing_users(keys)
    gone = next((key for key in keys if key not in found), None)
    if gone is not None:
        raise InvalidInput({field: f"there is no user with the key {gone!r}; they may have been deleted"})
