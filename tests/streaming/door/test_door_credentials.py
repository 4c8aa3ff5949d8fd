"""Sessions are read by hand where Django's own rules hold, and by Django elsewhere: both ways let the same
ones in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.streaming.asgi import Headers
from notifications.streaming.credential import Credential
from notifications.streaming.door.credentials import identify
from notifications.streaming.refusals import Refusal
from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db

BACKENDS = [*django_settings.AUTHENTICATION_BACKENDS, f"{__name__}.OwnBackend"]


class SessionStore(DatabaseSessions):
    """An engine with a way of its own to load."""

    def load(self) -> dict[str, Any]:
        return super().load()


class OwnBackend(ModelBackend):
    """A backend that hides a user."""

    def get_user(self, user_id: int) -> Any:
        return User.objects.exclude(username="hidden").filter(pk=user_id).first()


@pytest.fixture(params=["django.contrib.sessions.backends.db", __name__], ids=["plain", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(SESSION_ENGINE=request.param, AUTHENTICATION_BACKENDS=BACKENDS):
        yield request.param


def session_of(user: User, backend: str = BACKENDS[0], **values: Any) -> str:
    """The key of a session; `values` are put into it, None takes one out."""
    store = DatabaseSessions()
    given = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: backend,
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    store.update({name: value for name, value in (given | values).items() if value is not None})
    store.save()
    return str(store.session_key)


def let_in(key: str) -> Credential | None:
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={key}".encode()
    try:
        return identify(Headers({"headers": [(b"cookie", cookie)]}), None, True)
    except Refusal as refusal:
        assert refusal.code == "not_authenticated"  # noqa: PT017 (None is a claim, too)
        return None


SPOILT: dict[str, Callable[[User, str], object]] = {
    "gone": lambda user, key: Session.objects.all().delete(),
    "expired": lambda user, key: Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1)),
    "forged": lambda user, key: Session.objects.update(session_data="e30:forged:signature"),
    "inactive": lambda user, key: User.objects.update(is_active=False),
    "deleted": lambda user, key: user.delete(),
    "password": lambda user, key: User.objects.update(password="!other"),
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("how", SPOILT)
def test_session__that_is_worth_nothing__lets_nobody_in(how: str) -> None:
    user = make_user("ada")
    key = session_of(user)
    for mark in (let_in(key), let_in(session_of(user, BACKENDS[-1]))):
        assert mark is not None
        assert mark.user_id == user.pk
    SPOILT[how](user, key)
    assert let_in(key) is None


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "values",
    [
        {SESSION_KEY: "x"},
        {SESSION_KEY: None},
        {BACKEND_SESSION_KEY: "not.in.settings"},
        {HASH_SESSION_KEY: None},
    ],
)
def test_session__that_says_too_little__lets_nobody_in(values: dict[str, Any]) -> None:
    assert let_in(session_of(make_user("ada"), **values)) is None


@pytest.mark.usefixtures("engine")
def test_backend__that_hides_a_user__is_asked() -> None:
    hidden = make_user("hidden")
    assert let_in(session_of(hidden)) is not None
    assert let_in(session_of(hidden, BACKENDS[-1])) is None


def test_session__by_djangos_own_rules__is_two_queries_of_one_row() -> None:
    key = session_of(make_user("ada"))
    with CaptureQueriesContext(connection) as captured:
        assert let_in(key) is not None
    assert len(captured) == 2
