"""The credentials that a stream accepts, each checked without a write, in a database thread.

Neither Django's ``get_user`` nor Channels' auth helper can be used here: outside of the session middleware
the first would cycle the session's key without sending a cookie, and the second would flush the session.
Nothing here ever writes a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model
from django.http import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from notifications import services
from notifications.exceptions import MissingScope
from notifications.models import Scope
from notifications.protocol.problems import scope_challenge
from notifications.services.credentials.tokens import bearer_of
from notifications.sql.dialect import column, table
from notifications.streaming.asgi import Headers
from notifications.streaming.credential import Credential, has_standard_users, session_fingerprint
from notifications.streaming.refusals import Refusal

MAX_SESSION_KEY_LENGTH = 4_096


def identify(headers: Headers, ticket: str | None, is_opening: bool) -> Credential:
    """Check the credential of a request. Asks the database; call it in a database thread.

    A token or a ticket decides alone: a bad one never falls back to the cookie.

    Args:
        headers: of the request.
        ticket: from its URL; None when there is none.
        is_opening: the request opens a stream, which uses a ticket up.

    Raises:
        Refusal: the credential is missing or not valid (401), it is a token without the scope ``read`` (403),
            or both a ticket and a token were sent (400).
    """
    text = bearer_of(headers.get("authorization") or "")
    if ticket is not None:
        if text is not None:
            raise Refusal("invalid", errors={"ticket": "must not come with a token as well"})
        return _by_ticket(ticket, is_opening)
    if text is not None:
        return _by_token(text)
    return identify_session(headers)


def identify_session(headers: Headers) -> Credential:
    """Check the session of a request, ignoring other credentials. Call it in a database thread.

    Raises:
        Refusal: there is no valid session (401).
    """
    key = _session_key(headers)
    user = _session_user(key) if key else None
    if user is None:
        raise Refusal("not_authenticated")
    return Credential(user.pk, session_key=key, session_fingerprint=session_fingerprint(user))


def _by_token(text: str) -> Credential:
    token = services.usable_token(text)
    if token is None:
        raise Refusal("bad_credential")
    if Scope.READ not in token.scope_set:
        challenge = scope_challenge(Scope.READ).encode()
        raise Refusal("forbidden", str(MissingScope(Scope.READ)), headers=[(b"www-authenticate", challenge)])
    return Credential(token.user_id, token.pk)


def _by_ticket(text: str, is_opening: bool) -> Credential:
    ticket = services.use_ticket(text) if is_opening else services.check_ticket(text)
    if ticket is None:
        raise Refusal(
            "bad_credential", "This ticket was used, has expired or is unknown; request another one."
        )
    requested_by_id = None if ticket.requested_by_id == ticket.user_id else ticket.requested_by_id
    key = ticket.session_key
    if key is None:
        return Credential(ticket.user_id, ticket.token_id, requested_by_id=requested_by_id)
    user = _session_user(key)
    if user is None or user.pk != ticket.requested_by_id:
        raise Refusal("bad_credential", "The session that asked for this ticket is over.")
    return Credential(
        ticket.user_id,
        session_key=key,
        session_fingerprint=session_fingerprint(user),
        requested_by_id=requested_by_id,
    )


def _session_key(headers: Headers) -> str | None:
    key = parse_cookie(headers.get("cookie") or "").get(settings.SESSION_COOKIE_NAME)
    return key if key and len(key) <= MAX_SESSION_KEY_LENGTH else None


def _session_user(key: str) -> Any | None:
    """Return the active user of a valid session by the rules of ``get_user``; None for any other session."""
    # A quoted cookie can spell any octet, and PostgreSQL takes no NUL.
    if not (key.isascii() and key.isprintable()):
        return None
    session = _session(key)
    path: Any = session.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        user_id = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    except (KeyError, ValidationError):
        return None
    user = _user(load_backend(path), user_id)
    if user is None or not _hash_matches(user, session.get(HASH_SESSION_KEY)):
        return None
    return user


# Thousands of clients may come at once. Where Django's own rules apply, the two rows are read by hand,
# because building the statements and the models takes four times as long as the rest.
# ``test_door_credentials.py`` compares the answers of both ways.


def _session(key: str) -> Mapping[str, Any]:
    """Return the data of a session; empty when the session does not exist or has expired."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    is_plain = all(
        getattr(store, name) is getattr(DatabaseSessions, name) for name in ("load", "_get_session_from_db")
    )
    if not is_plain:
        loaded: Mapping[str, Any] = store(key).load()
        return loaded
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    condition = "session_key = %s AND expire_date > %s"
    row = _row(store.get_model_class(), "session_data", condition, [key, now])
    decoded: Mapping[str, Any] = store(key).decode(row[0]) if row else {}
    return decoded


def _user(backend: Any, user_id: Any) -> Any | None:
    """Return the active user with this primary key, as an authentication backend finds it."""
    names = ("get_user", "user_can_authenticate")
    is_plain = all(getattr(type(backend), name, None) is getattr(ModelBackend, name) for name in names)
    user_model: Any = get_user_model()
    if not (is_plain and has_standard_users(user_model)):
        user = backend.get_user(user_id)
        return user if user is not None and user.is_active else None
    key = user_model._meta.pk
    condition = f"{column(user_model, 'pk')} = %s AND {column(user_model, 'is_active')}"
    row = _row(user_model, "password", condition, [key.get_db_prep_value(user_id, connection)])
    if row is None:
        return None
    known = {key.attname: user_id, "password": row[0]}
    names = tuple(field.attname for field in user_model._meta.concrete_fields if field.attname in known)
    return user_model.from_db(connection.alias, names, [known[name] for name in names])


def _row(model: type[Model], name: str, condition: str, params: list[Any]) -> Any | None:
    """Return one column of the only row that meets a condition; None when there is no such row."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column(model, name)} FROM {table(model)} WHERE {condition}", params)  # noqa: S608 (names, placeholders)
        return cursor.fetchone()


def _hash_matches(user: Any, session_hash: str | None) -> bool:
    """Return whether the session was begun with the user's present password and a secret key in use."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not session_hash:
        return False
    candidates = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, candidate) for candidate in candidates)
