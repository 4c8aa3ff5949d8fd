"""The credential under which a stream is open, and what shows that a user's sessions have ended."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Manager


class Credential(NamedTuple):
    """The session or token under which a stream is open, and what has to stay as it was.

    Attributes:
        user_id: primary key of the user whose stream it is.
        token_id: primary key of the token with which the stream, or its ticket, was requested; None for a
            session.
        session_key: key of the session with which it was requested; None for a token. A secret.
        session_fingerprint: ``session_fingerprint`` of the session's user at that moment; None for a token,
            which outlives a change of password.
        requested_by_id: primary key of the producer whose session or token it is, where the stream belongs to
            another user; else None.
    """

    user_id: Any
    token_id: Any = None
    session_key: str | None = None
    session_fingerprint: int | None = None
    requested_by_id: Any = None

    def __repr__(self) -> str:
        return f"Credential(user_id={self.user_id!r}, token_id={self.token_id!r})"


def session_fingerprint(user: Any) -> int | None:
    """Return a number that changes when all sessions of a user end; it means nothing in another process.

    By Django's rule a session is valid for as long as the user's password stays the same, and the passwords
    of thousands of users can be compared in one query. For a user model with a rule of its own, the number
    comes from ``get_session_auth_hash``.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return None
    is_standard = has_standard_sessions(type(user))
    return hash(user.password if is_standard else user.get_session_auth_hash())


def has_standard_sessions(user_model: type) -> bool:
    """Return whether a user's sessions end by Django's own rule: when the password changes."""
    names = ("get_session_auth_hash", "_get_session_auth_hash")
    return all(getattr(user_model, name, None) is getattr(AbstractBaseUser, name) for name in names)


def has_standard_users(user_model: Any) -> bool:
    """Return whether ``is_active`` and ``password`` in the user table decide everything about a user.

    That is so if the manager hides nobody, if sessions end by Django's own rule, and if both columns are in
    the model's own table.
    """

    def in_table(name: str) -> bool:
        try:
            owner = user_model._meta.get_field(name).model
        except FieldDoesNotExist:
            return False
        return owner._meta.concrete_model is user_model._meta.concrete_model

    shows_all = type(user_model._default_manager).get_queryset is Manager.get_queryset
    return shows_all and has_standard_sessions(user_model) and in_table("is_active") and in_table("password")
