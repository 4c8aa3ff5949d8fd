"""Users with a session each, made as sets: a login each would take longer than the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import get_random_string

CHUNK = 1_000


class Person(NamedTuple):
    """A user.

    Attributes:
        pk: primary key.
        cookie: the header that logs in.
    """

    pk: Any
    cookie: str


_people: list[Person] = []


def people(count: int) -> list[Person]:
    """That many users, always the same ones until the database is emptied."""
    while len(_people) < count:
        _people.extend(_more(min(CHUNK, count - len(_people))))
    return _people[:count]


def forget() -> None:
    """Begin anew, in a database that was emptied."""
    _people.clear()


def _more(count: int) -> list[Person]:
    names = [f"bench{len(_people) + number}" for number in range(count)]
    users = get_user_model()._default_manager.bulk_create(
        get_user_model()(username=name, password=f"!{name}") for name in names
    )
    store = SessionStore()
    expires = timezone.now() + timedelta(days=1)
    sessions = []
    for user in users:
        values = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        key = get_random_string(32, "abcdefghijklmnopqrstuvwxyz0123456789")
        sessions.append(Session(session_key=key, session_data=store.encode(values), expire_date=expires))
    Session.objects.bulk_create(sessions)
    return [
        Person(user.pk, f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
        for user, session in zip(users, sessions, strict=True)
    ]
