"""By what right a stream is open, and how the sessions of a user end."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Manager


class Credential(NamedTuple):
    """By what right a stream is open: whose it is, and what has to stay as it was for the stream to stay
    open.

    Attributes:
        user_id: primary key of the user.
        token_id: primary key of the token by which the stream, or its ticket, was asked for; None for a
            session.
        session_key: of the session by which it was asked for; None for a token. A secret.
        user_mark: ``session_mark`` of the session's user at that moment; None for a token, which outlives a
            password.
        asked_by_id: primary key of the producer whose session or token that is, where the stream is
            another's; else None.
    """

    user_id: Any
    token_id: Any = None
    session_key: str | None = None
    user_mark: int | None = None
    asked_by_id: Any = None

    def __repr__(self) -> str:
        return f"Credential(user_id={self.user_id!r}, token_id={self.token_id!r})"


def session_mark(user: Any) -> int | None:
    """What moves when all sessions of a user end, as a number that says nothing outside this process.

    By Django's rule a session holds as long as the user's password does, and ``rights`` can compare that for
    thousands of users. A user model with a rule of its own is asked for what the rule gives.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return None
    is_plain = has_plain_sessions(type(user))
    return hash(user.password if is_plain else user.get_session_auth_hash())


def has_plain_sessions(user_model: type) -> bool:
    """Whether the sessions of these users hold as long as their password does, by Django's rule and none of
    their own.
    """
    names = ("get_session_auth_hash", "_get_session_auth_hash")
    return all(getattr(user_model, name, None) is getattr(AbstractBaseUser, name) for name in names)


def has_plain_users(user_model: Any) -> bool:
    """Whether two columns of one table say all: nobody is hidden by the manager, and sessions end by Django's
    own rule.
    """

    def in_table(name: str) -> bool:
        try:
            owner = user_model._meta.get_field(name).model
        except FieldDoesNotExist:
            return False
        return owner._meta.concrete_model is user_model._meta.concrete_model

    shows_all = type(user_model._default_manager).get_queryset is Manager.get_queryset
    return shows_all and has_plain_sessions(user_model) and in_table("is_active") and in_table("password")
