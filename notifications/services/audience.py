"""To whom a producer sends: users by name, groups by name, everyone; each recipient once, inactive users
never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import F, QuerySet
from django.db.models.manager import BaseManager

from notifications.exceptions import FieldErrors, InvalidInput
from notifications.services.recipients import Recipients, user_model_has
from notifications.sql.arrays import AnyOf
from notifications.sql.prepared import Prepared, Slots

MAX_NAMES_ASKED: Final = 5_000  # in one query
MAX_NAMES_SHOWN: Final = 20  # in an error
_SHOWN_LENGTH: Final = 100


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
    """Find the users and groups of some audiences. One query for users, one for groups, each only if any is
    named.

    Args:
        audiences: what is wanted.
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
    """The primary keys of ``limit`` recipients at most: the named ones in their order, then the others in
    that of their keys.

    One query, none when users alone are named, who were found to be active.
    """
    if not recipients.groups and not recipients.everyone:
        return list(recipients.users)[:limit]
    return list(islice(dict.fromkeys([*recipients.users, *recipients.keys(limit=limit)]), limit))


def _users(names: Collection[str]) -> dict[str, tuple[Any, bool]]:
    """The key of each user who exists, and whether they are active, by name."""
    found: dict[str, tuple[Any, bool]] = {}
    for part in _parts(names):
        # A manager that chooses among the users may choose others next time.
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
    return (ordered[start : start + MAX_NAMES_ASKED] for start in range(0, len(ordered), MAX_NAMES_ASKED))


def _check_known(names: Iterable[str], known: Collection[str], field: str, what: str) -> None:
    if unknown := list(dict.fromkeys(name for name in names if name not in known)):
        shown = ", ".join(name[:_SHOWN_LENGTH] for name in unknown[:MAX_NAMES_SHOWN])
        more = f" and {len(unknown) - MAX_NAMES_SHOWN} more" if len(unknown) > MAX_NAMES_SHOWN else ""
        raise InvalidInput({field: f"there is {what} {shown}{more}"})
