"""Finds the credentials of open streams that are no longer valid (I15), for all streams of a process at once.

A credential is not examined as thoroughly as when its stream was opened, which reads a whole session and
user. It was valid then, and it ends with what it rests on: the user is gone or inactive, the session is gone
or expired, the token is revoked or expired, or the password has changed. Those few columns are read by key,
1,000 rows in a statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any, Final, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.utils import timezone

from notifications.models import ApiToken
from notifications.sql.dialect import column, is_postgresql, table
from notifications.streaming.credential import Credential, has_standard_users, session_fingerprint
from notifications.streaming.frames import Ending

MAX_KEYS: Final = 1_000

_T = TypeVar("_T")


def invalidated(credentials: Iterable[Credential]) -> dict[Credential, Ending]:
    """Return the credentials that are no longer valid, with how their streams close; all others may go on.

    When a session is gone or the password has changed, the browser may have a session again, or have it under
    a new key: its client is told to come back, and the cookie decides. A logout that this hub noticed has
    ended its streams before this is called (``services.end_streams_of_session``). The client of a user who is
    gone or inactive, or of a token, is not told to come back.

    Makes at most three statements for each 1,000: users, sessions and tokens. A session whose engine has no
    table is loaded by itself, and users whose model has its own rule for when sessions end are loaded whole.
    Writes nothing.

    Raises:
        Exception: the database, or whatever stores the sessions, did not answer. Nothing is known then, and
            no credential has ended.
    """
    given = list(credentials)
    users = {each.user_id for each in given} | {each.requested_by_id for each in given}
    marks = dict(_by_thousands(_user_marks, users))
    sessions = set(_by_thousands(_live_sessions, {each.session_key for each in given}))
    tokens = set(_by_thousands(_usable_tokens, {each.token_id for each in given}))

    def ending(credential: Credential) -> Ending | None:
        user_id, token_id, session_key, session_fingerprint, requested_by_id = credential
        holder_id = user_id if requested_by_id is None else requested_by_id
        if (
            user_id not in marks
            or holder_id not in marks
            or (token_id is not None and token_id not in tokens)
        ):
            return Ending("revoked")
        if session_fingerprint is not None and session_fingerprint != marks[holder_id]:
            return Ending("revoked", must_reconnect=True)
        if session_key is not None and session_key not in sessions:
            return Ending("revoked", must_reconnect=True)
        return None

    return {credential: how for credential in given if (how := ending(credential)) is not None}


def _by_thousands(read: Callable[[list[Any]], Iterable[_T]], keys: set[Any]) -> Iterator[_T]:
    keys_left = iter(keys - {None})
    while chunk := list(islice(keys_left, MAX_KEYS)):
        yield from read(chunk)


def _user_marks(keys: list[Any]) -> Iterable[tuple[Any, int | None]]:
    """Return the primary key and the ``session_fingerprint`` of those users who are active."""
    user_model = get_user_model()
    if not has_standard_users(user_model):
        users = user_model._default_manager.filter(pk__in=keys)
        return [(user.pk, session_fingerprint(user)) for user in users if user.is_active]
    primary_key: Any = user_model._meta.pk
    if isinstance(primary_key, models.IntegerField):
        by_column = dict(zip(keys, keys, strict=True))
    else:
        by_column = {primary_key.get_db_prep_value(key, connection): key for key in keys}
    rows = _rows(user_model, primary_key.attname, list(by_column), "password", where="is_active")
    return [(by_column[column], hash(password)) for column, password in rows]


def _live_sessions(keys: list[str]) -> Iterable[str]:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        return [key for key in keys if store(key).load()]
    rows = _rows(store.get_model_class(), "session_key", keys, where="expire_date > %s")
    return [key for (key,) in rows]


def _usable_tokens(keys: list[Any]) -> Iterable[Any]:
    usable = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)"
    return [key for (key,) in _rows(ApiToken, "id", keys, where=usable)]


def _rows(
    model: type[models.Model], key: str, keys: list[Any], *names: str, where: str
) -> list[tuple[Any, ...]]:
    """Read columns of the rows with these keys straight from the driver, at a third of the ORM's cost.

    The key's column comes first.

    The key's column comes first.

    Args:
        key: the name of the key's field.
        keys: as the column holds them.
        names: of further fields.
        where: a further condition; each ``%s`` in it stands for the current time.
    """
    columns = [column(model, name) for name in (key, *names)]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    is_array = is_postgresql()
    among = "= ANY(%s)" if is_array else "IN (SELECT value FROM json_each(%s))"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {table(model)} "  # noqa: S608 (names, placeholders)
            f"WHERE {columns[0]} {among} AND {where}",
            [keys if is_array else json.dumps(keys), *[now] * where.count("%s")],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
