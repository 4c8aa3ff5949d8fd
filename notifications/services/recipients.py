"""To whom something is sent: users, members of groups, or everyone. Each once; inactive users never."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Q, QuerySet

from notifications.exceptions import InvalidInput
from notifications.services.notify import recipient_key
from notifications.sql.arrays import AnyOf


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipients:
    """Whom a send is for.

    Attributes:
        users: saved users, or their primary keys; kept as keys.
        groups: groups, or their primary keys; kept as keys.
        everyone: all users there are; the other two then add nobody.

    Raises:
        InvalidInput: what is given can be no user, or no group.
    """

    users: Collection[Any] = ()
    groups: Collection[Any] = ()
    everyone: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", tuple(dict.fromkeys(map(recipient_key, self.users))))
        object.__setattr__(self, "groups", tuple(dict.fromkeys(map(_group_key, self.groups))))

    def count(self, *, limit: int | None = None) -> int:
        """How many active users that is. One query.

        Args:
            limit: stop counting there.
        """
        return self._users()[:limit].count()

    def keys(self, *, limit: int) -> list[Any]:
        """The primary keys of the first of them, in the order of their keys. One query."""
        return list(self._users().values_list("pk", flat=True)[:limit])

    def _users(self) -> QuerySet[Any]:
        named = Q(AnyOf(F("pk"), self.users)) if self.users else None
        return matching_users(named, group_ids=self.groups, everyone=self.everyone)


def matching_users(
    named: Q | None, *, group_ids: Collection[int] = (), everyone: bool = False, after: Any = None
) -> QuerySet[Any]:
    """Active users who are named by a condition, are in one of the groups, or are anybody; in the order of
    their keys.

    Args:
        after: only users with greater keys; None for all.
    """
    users = active_users().order_by("pk")
    if after is not None:
        users = users.filter(pk__gt=after)
    if everyone:
        return users
    # By subqueries and not by joins, so that nobody is found twice.
    conditions = [] if named is None else [named]
    if group_ids:
        conditions.append(Q(pk__in=_members(group_ids, after)))
    return users.filter(_any(conditions)) if conditions else users.none()


def _any(conditions: list[Q]) -> Q:
    first, *others = conditions
    for condition in others:
        first |= condition
    return first


def active_users() -> QuerySet[Any]:
    """All users who may be notified. A user model without the field has none that is inactive."""
    model: Any = get_user_model()
    users: QuerySet[Any] = model._default_manager.all()
    return users.filter(is_active=True) if user_model_has("is_active") else users


def _members(group_ids: Collection[int], after: Any) -> QuerySet[Any]:
    model: Any = get_user_model()
    if not user_model_has("groups"):
        return model._default_manager.none().values("pk")  # type: ignore[no-any-return]
    field = model._meta.get_field("groups")
    user = field.m2m_field_name()
    memberships = field.remote_field.through._default_manager.filter(
        **{f"{field.m2m_reverse_field_name()}__in": group_ids}
    )
    if after is not None:
        memberships = memberships.filter(**{f"{user}__gt": after})
    return memberships.values(f"{user}_id")  # type: ignore[no-any-return]


def user_model_has(name: str) -> bool:
    """Whether the project's users have a field of this name."""
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _group_key(group: Any) -> int:
    try:
        key = group.pk if isinstance(group, Group) else Group._meta.pk.to_python(group)
    except ValidationError:
        key = None
    if not isinstance(key, int):
        raise InvalidInput({"groups": f"must be saved groups or their primary keys, not {group!r}"})
    return key
