"""Who asks for a stream: the credentials that it takes, each checked read-only and in the private pool.

Neither Django's ``get_user`` nor Channels' auth helper serves here: outside the session middleware the first would cycle the
session's key without a cookie going out, the second would flush the session. Nothing here ever writes a session.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.core.exceptions import ValidationError
from django.http import parse_cookie
from django.utils.crypto import constant_time_compare

from notifications import services
from notifications.exceptions import MissingScope
from notifications.models import Scope
from notifications.problems import scope_challenge
from notifications.services.bearer import bearer_of
from notifications.streaming.refusals import Refusal
from notifications.streaming.requests import Headers

MAX_SESSION_KEY_LENGTH = 4_096


class Identity(NamedTuple):
    """Whose stream it is.

    Attributes:
        user_id: primary key of the user.
        token_id: primary key of the token by which it, or its ticket, was asked for; None for a session.
    """

    user_id: Any
    token_id: Any = None


def identify(headers: Headers, ticket: str | None, is_opening: bool) -> Identity:
    """Check the credential that a request carries. Asks the database; call it in the private pool.

    A token or a ticket decides alone: a bad one never falls back to the cookie.

    Args:
        headers: of the request.
        ticket: from its URL; None when there is none.
        is_opening: the request opens a stream, which uses a ticket up.

    Raises:
        Refusal: there is none, or it is not valid (401), it is a token without the scope ``read`` (403), or there is both a
            ticket and a token (400).
    """
    text = bearer_of(headers.get("authorization") or "")
    if ticket is not None:
        if text is not None:
            raise Refusal("invalid", errors={"ticket": "must not come with a token as well"})
        return _by_ticket(ticket, is_opening)
    if text is not None:
        return _by_token(text)
    user = _session_user(headers)
    if user is None:
        raise Refusal("not_authenticated")
    return Identity(user.pk)


def _by_token(text: str) -> Identity:
    token = services.usable_token(text)
    if token is None:
        raise Refusal("bad_credential")
    if Scope.READ not in token.scope_set:
        challenge = scope_challenge(Scope.READ).encode()
        raise Refusal("forbidden", str(MissingScope(Scope.READ)), headers=[(b"www-authenticate", challenge)])
    return Identity(token.user_id, token.pk)


def _by_ticket(text: str, is_opening: bool) -> Identity:
    ticket = services.use_ticket(text) if is_opening else services.check_ticket(text)
    if ticket is None:
        raise Refusal("bad_credential", "This ticket was used, has expired or is none; ask for another one.")
    return Identity(*ticket)


def _session_user(headers: Headers) -> Any | None:
    """The active user of a valid session, by the rules of ``django.contrib.auth.get_user``; None for any other."""
    key = parse_cookie("; ".join(headers.all("cookie"))).get(settings.SESSION_COOKIE_NAME)
    # A quoted cookie can spell any octet, and PostgreSQL takes no NUL.
    if not key or len(key) > MAX_SESSION_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key).load()
    path = session.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        user_id = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    except (KeyError, ValidationError):
        return None
    user = load_backend(path).get_user(user_id)
    if user is None or not user.is_active or not _hash_matches(user, session.get(HASH_SESSION_KEY)):
        return None
    return user


def _hash_matches(user: Any, session_hash: str | None) -> bool:
    """Whether the session was made under the user's password of today, with one of the secret keys in use."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not session_hash:
        return False
    candidates = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, candidate) for candidate in candidates)
