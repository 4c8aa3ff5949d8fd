"""Users by their names, as staff type them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet


def username_field() -> str:
    """The name of the user model's field that the wire and the admin call the username."""
    return str(get_user_model().USERNAME_FIELD)


def all_users() -> QuerySet[Any]:
    """All users that the model's manager shows, for the fields of forms."""
    users: QuerySet[Any] = get_user_model()._default_manager.all()
    return users


def user_named(username: str) -> Any | None:
    """The user of exactly this name; None when there is none. One query."""
    return all_users().filter(**{username_field(): username}).first()


def users_named(usernames: Collection[str]) -> list[Any]:
    """The users of exactly these names, in no order. One query."""
    return list(all_users().filter(**{f"{username_field()}__in": usernames}))


def key_of_username(username: str) -> Any | None:
    """The primary key of the user of exactly this name; None when there is none. One query."""
    return all_users().filter(**{username_field(): username}).values_list("pk", flat=True).first()


def usernames_beginning_with(text: str, *, limit: int) -> list[Any]:
    """The first usernames that begin so, in order. One query, by their index."""
    field = username_field()
    users = all_users().filter(**{f"{field}__startswith": text}).order_by(field)
    return list(users.values_list(field, flat=True)[:limit])


def username_has(text: str, relation: str) -> Q:
    """The condition that a related user's name has a text in it, in either case; anything for no text."""
    return Q(**{f"{relation}__{username_field()}__icontains": text}) if text else Q()


def users_by_key(keys: Collection[Any]) -> list[Any]:
    """The users of some primary keys, in no order. One query."""
    return list(all_users().filter(pk__in=keys))


def groups_by_name() -> QuerySet[Group]:
    """All groups, in the order of their names, for the fields of forms."""
    return Group.objects.order_by("name")
