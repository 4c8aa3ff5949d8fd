"""Reads of users, of the credentials that they show instead of a password, and users' keys as parameters."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import Permission, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.manager import BaseManager
from django.utils.crypto import constant_time_compare

from notifications.exceptions import InvalidInput
from notifications.models import ApiToken, Inbox
from notifications.sql.arrays import AnyOf
from notifications.sql.dialect import is_postgresql
from notifications.sql.prepared import Prepared, Slot

_MODEL_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


def active_user(**key: Any) -> Any | None:
    """Return the active user with this key, or None. One query.

    Args:
        key: ``pk``, or the field of the username.
    """
    user: Any = get_user_model()._default_manager.filter(**key).first()
    return user if user is not None and user.is_active else None


def is_token_usable(token_id: Any, now: datetime) -> bool:
    """Return whether an API token is usable at ``now``. One query."""
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    return token is not None and token.is_usable(now)


def token_with_user(token_hash: str) -> ApiToken | None:
    """Return the token with this hash, usable or not, with its user; None without one. One query."""
    row = _TOKEN.first(token_hash=token_hash)
    if row is None:
        return None
    columns, user_columns = _columns(ApiToken), _columns(get_user_model())
    token = ApiToken.from_db(connection.alias, columns, row[: len(columns)])
    token.user = get_user_model().from_db(connection.alias, user_columns, row[len(columns) :])
    return token


def user_of_session(session: Any) -> Any | None:
    """Return the active user of a session if Django's own rules alone decide who that is. One query.

    Returns:
        None if there is no login, another backend than Django's, a manager that hides users, or a session
        made under another password or an older secret key. Then ``django.contrib.auth.get_user`` decides.
    """
    users: Any = get_user_model()
    path = session.get(BACKEND_SESSION_KEY)
    is_plain = (
        path == _MODEL_BACKEND and path in settings.AUTHENTICATION_BACKENDS and _has_plain_manager(users)
    )
    if not is_plain or not hasattr(users, "get_session_auth_hash"):
        return None
    try:
        row = _USER.first(key=users._meta.pk.to_python(session[SESSION_KEY]))
    except (KeyError, ValidationError):
        return None
    user = row and users.from_db(connection.alias, _columns(users), row)
    if not user or not getattr(user, "is_active", True):
        return None
    is_same = constant_time_compare(session.get(HASH_SESSION_KEY) or "", user.get_session_auth_hash())
    return user if is_same else None


def has_permission(user: Any, name: str) -> bool:
    """Return whether a user has a permission now, as ``user.has_perm`` does.

    One query where Django's own rules alone decide.

    Args:
        name: such as ``permissions.SEND``.
    """
    if not _decided_by_django(user.__class__, tuple(settings.AUTHENTICATION_BACKENDS)):
        return bool(user.has_perm(name))
    if not user.is_active or user.is_superuser:
        return bool(user.is_active)
    app_label, _, codename = name.partition(".")
    return _PERMISSION.first(codename=codename, app_label=app_label, user=user.pk) is not None


def key_rows(user_ids: Iterable[Any]) -> RawSQL:
    """Return a subquery of the users' keys, which takes them as one parameter.

    As parameters of their own each key would cost some 5 µs, and SQLite takes no more than 32,766.
    """
    keys = db_keys(user_ids)
    if is_postgresql():
        statement = f"SELECT unnest(%s::{Inbox._meta.pk.db_type(connection)}[])"
        return RawSQL(statement, [keys])  # noqa: S611 (no input)
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(keys)])


def db_key(user_id: Any) -> Any:
    """Return a user's key as the database driver takes it."""
    return db_keys([user_id])[0]


def db_keys(user_ids: Iterable[Any]) -> list[Any]:
    """Return users' keys as the database driver takes them."""
    prepare, database = Inbox._meta.pk.get_db_prep_value, connections[connection.alias]
    return [prepare(user_id, database) for user_id in user_ids]


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


@lru_cache(maxsize=8)
def _decided_by_django(user_model: Any, backends: tuple[str, ...]) -> bool:
    """Return whether Django's own tables of permissions alone say what these users may do."""
    is_plain: bool = (
        issubclass(user_model, PermissionsMixin) and user_model.has_perm is PermissionsMixin.has_perm
    )
    return is_plain and backends == (_MODEL_BACKEND,)


def _has_plain_manager(user_model: Any) -> bool:
    return type(user_model._default_manager).get_queryset is BaseManager.get_queryset


@lru_cache(maxsize=2)
def _columns(model: Any) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


def _token() -> QuerySet[ApiToken, Any]:
    names = [*_columns(ApiToken), *(f"user__{name}" for name in _columns(get_user_model()))]
    return ApiToken.objects.filter(
        token_hash=Slot("token_hash", ApiToken._meta.get_field("token_hash"))
    ).values_list(*names)


def _user() -> QuerySet[Any, Any]:
    users: Any = get_user_model()
    rows: QuerySet[Any, Any] = users._default_manager.filter(pk=Slot("key", users._meta.pk))
    return rows.values_list(*_columns(users))


def _permission() -> QuerySet[Permission, Any]:
    users: Any = get_user_model()
    key = Slot("user", users._meta.pk)
    # By subqueries: with joins of both it would look at every permission of every group.
    own = users._base_manager.filter(pk=key, user_permissions__isnull=False).values("user_permissions")
    of_groups = users._base_manager.filter(pk=key, groups__permissions__isnull=False).values(
        "groups__permissions"
    )
    wanted = Permission.objects.filter(
        codename=Slot("codename", Permission._meta.get_field("codename")),
        content_type__app_label=Slot("app_label", Permission._meta.get_field("codename")),
    )
    return wanted.filter(Q(pk__in=own) | Q(pk__in=of_groups)).order_by().values_list("pk")


_USER: Final = Prepared(_user)
_TOKEN: Final = Prepared(_token)
_PERMISSION: Final = Prepared(_permission)
