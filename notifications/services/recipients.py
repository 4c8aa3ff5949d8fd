"""Find the recipients of a send: users, members of groups, or everyone; each once, inactive users never.

A producer names them as an ``Audience``, which is resolved to ``Recipients``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import F, Q, QuerySet
from django.db.models.manager import BaseManager

from notifications.exceptions import FieldErrors, InvalidInput
from notifications.services.notify import recipient_key
from notifications.sql.arrays import AnyOf
from notifications.sql.prepared import Prepared, Slots

MAX_NAMES_IN_QUERY: Final = 5_000
MAX_NAMES_SHOWN: Final = 20  # in an error
_SHOWN_LENGTH: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipients:
    """The recipients of a send.

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
        """Return the number of active users among them. One query.

        Args:
            limit: the number at which to stop counting.
        """
        return self._users()[:limit].count()

    def keys(self, *, limit: int) -> list[Any]:
        """Return the primary keys of the first of them, in the order of the keys. One query."""
        return list(self._users().values_list("pk", flat=True)[:limit])

    def _users(self) -> QuerySet[Any]:
        named = Q(AnyOf(F("pk"), self.users)) if self.users else None
        return matching_users(named, group_ids=self.groups, everyone=self.everyone)


def matching_users(
    named: Q | None, *, group_ids: Collection[int] = (), everyone: bool = False, after: Any = None
) -> QuerySet[Any]:
    """Return active users in the order of their keys: those named by a condition, or in one of the groups.

    Args:
        everyone: return all active users.
        after: only users with greater keys; None for all.
    """
    users = active_users().order_by("pk")
    if after is not None:
        users = users.filter(pk__gt=after)
    if everyone:
        return users
    # By subqueries and not by joins, so that no user is found twice.
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
    """Return all users who may be notified: all, if the user model has no ``is_active``."""
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
    """Return whether the project's user model has a field of this name."""
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """Recipients as a producer names them.

    Attributes:
        users: usernames, as the user model's ``USERNAME_FIELD`` has them.
        groups: names of Django's groups.
        everyone: all users.
    """

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    everyone: bool = False


def resolve(audiences: Sequence[Audience], *, prefixes: Sequence[str] = ("",)) -> list[Recipients]:
    """Find the users and groups that some audiences name.

    One query for users, one for groups, each only if any is named.

    Args:
        audiences: the audiences.
        prefixes: for each audience, what an error puts before the name of its field.

    Raises:
        InvalidInput: users or groups that do not exist, by name.
    """
    users = _users({name for audience in audiences for name in audience.users})
    groups = _groups({name for audience in audiences for name in audience.groups})
    errors = FieldErrors()
    for audience, prefix in zip(audiences, prefixes, strict=True):
        with errors:
            _check_known(audience.users, users, f"{prefix}to.users", "no user")
        with errors:
            _check_known(audience.groups, groups, f"{prefix}to.groups", "no group")
    errors.check()
    return [
        Recipients(
            users=[key for key, is_active in map(users.__getitem__, audience.users) if is_active],
            groups=[groups[name] for name in audience.groups],
            everyone=audience.everyone,
        )
        for audience in audiences
    ]


def first_keys(recipients: Recipients, limit: int) -> list[Any]:
    """Return the primary keys of ``limit`` recipients at most.

    The named ones come first, in their order, then the others in the order of their keys. One query; none
    when only users are named, because they were found to be active.
    """
    if not recipients.groups and not recipients.everyone:
        return list(recipients.users)[:limit]
    return list(islice(dict.fromkeys([*recipients.users, *recipients.keys(limit=limit)]), limit))


def _group_key(group: Any) -> int:
    try:
        key = group.pk if isinstance(group, Group) else Group._meta.pk.to_python(group)
    except ValidationError:
        key = None
    if not isinstance(key, int):
        raise InvalidInput({"groups": f"must be saved groups or their primary keys, not {group!r}"})
    return key


def _users(names: Collection[str]) -> dict[str, tuple[Any, bool]]:
    """Return the key of each user who exists, and whether they are active, by name."""
    found: dict[str, tuple[Any, bool]] = {}
    for part in _parts(names):
        # A manager of its own kind may choose among the users, and choose others the next time.
        rows = _BY_NAME.rows(names=part) if _has_plain_manager() else _named(part)
        found |= {name: (key, all(is_active)) for name, key, *is_active in rows}
    return found


def _has_plain_manager() -> bool:
    return type(get_user_model()._default_manager).get_queryset is BaseManager.get_queryset


def _named(names: Any) -> QuerySet[Any, Any]:
    users = get_user_model()
    columns = [users.USERNAME_FIELD, "pk", *(["is_active"] if user_model_has("is_active") else [])]
    return users._default_manager.filter(AnyOf(F(users.USERNAME_FIELD), names)).values_list(*columns)


def _by_name() -> QuerySet[Any, Any]:
    users: Any = get_user_model()
    return _named(Slots("names", users._meta.get_field(users.USERNAME_FIELD)))


_BY_NAME: Final = Prepared(_by_name)


def _groups(names: Collection[str]) -> dict[str, Any]:
    if not names or not user_model_has("groups"):
        return {}
    return {
        name: key
        for part in _parts(names)
        for name, key in Group.objects.filter(name__in=part).values_list("name", "pk")
    }


def _parts(names: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(names)
    return (
        ordered[start : start + MAX_NAMES_IN_QUERY] for start in range(0, len(ordered), MAX_NAMES_IN_QUERY)
    )


def _check_known(names: Iterable[str], known: Collection[str], field: str, what: str) -> None:
    if unknown := list(dict.fromkeys(name for name in names if name not in known)):
        shown = ", ".join(name[:_SHOWN_LENGTH] for name in unknown[:MAX_NAMES_SHOWN])
        more = f" and {len(unknown) - MAX_NAMES_SHOWN} more" if len(unknown) > MAX_NAMES_SHOWN else ""
        raise InvalidInput({field: f"there is {what} {shown}{more}"})
