"""Which rights have ended: decided for all streams of a process at once, in few statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from notifications import services
from notifications.contrib.security import services as security_services
from notifications.contrib.security.models import SignIn
from notifications.signals import streams_changed
from notifications.streaming.asgi import Headers
from notifications.streaming.credential import Credential, session_fingerprint
from notifications.streaming.door.credentials import identify
from notifications.streaming.process import credential_validity
from notifications.streaming.refusals import Refusal
from tests.helpers.factories import SPOILT, make_token, make_user, spoil

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def new_session(user: User) -> str:
    """The key of a session of `user`, in whatever engine the settings name."""
    session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def ended(credentials: list[Credential]) -> set[Credential]:
    """Those whose streams are to close, all of them as revoked."""
    found = credential_validity.invalidated(credentials)
    assert {ending.reason for ending in found.values()} <= {"revoked"}
    return set(found)


def come_back(credentials: list[Credential]) -> set[Credential]:
    """Those whose streams are to close, and whose clients are to ask once more: the browser's cookie
    decides.
    """
    return {
        credential
        for credential, ending in credential_validity.invalidated(credentials).items()
        if ending.reconnect
    }


def by_cookie(key: str) -> Credential:
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={key}".encode()
    return identify(Headers({"headers": [(b"cookie", cookie)]}), None, True)


def by_token(text: str) -> Credential:
    return identify(Headers({"headers": [(b"authorization", f"Bearer {text}".encode())]}), None, True)


def by_ticket(text: str) -> Credential:
    return identify(Headers({"headers": []}), text, True)


def give_password(user: User) -> None:
    user.set_password("another")
    user.save()


def expire(key: str) -> None:
    Session.objects.filter(pk=key).update(expire_date=timezone.now() - timedelta(seconds=1))


SESSION_ENDS: dict[str, Callable[[User, str], object]] = {
    "deleted": lambda user, key: Session.objects.filter(pk=key).delete(),
    "expired": lambda user, key: expire(key),
    "user inactive": lambda user, key: User.objects.filter(pk=user.pk).update(is_active=False),
    "user deleted": lambda user, key: user.delete(),
    "password": lambda user, key: give_password(user),
}


@pytest.mark.parametrize("how", SESSION_ENDS)
def test_session__of_one_user__ends_and_nobody_elses_does(ada: User, how: str) -> None:
    grace = make_user("grace")
    key = new_session(ada)
    other = by_cookie(new_session(grace))
    for opened in (by_cookie(key), by_ticket(services.issue_ticket(ada, session_key=key))):
        assert ended([opened, other]) == set()
    SESSION_ENDS[how](ada, key)
    assert ended([opened, other]) == {opened}
    # Whoever is gone or inactive has no other session that would do; in all other cases the browser may have
    # one.
    assert come_back([opened, other]) == (set() if how.startswith("user") else {opened})


@pytest.mark.parametrize("whose", ["producer", "reader"])
@pytest.mark.parametrize("how", ["user inactive", "user deleted", "password"])
def test_ticket__that_a_producers_session_asked_for__ends_with_the_right_of_either(
    ada: User, how: str, whose: str
) -> None:
    producer = make_user("shop")
    key = new_session(producer)
    opened = by_ticket(services.issue_ticket(ada, session_key=key, requested_by=producer))
    assert opened.user_id == ada.pk
    assert ended([opened]) == set()
    SESSION_ENDS[how](producer if whose == "producer" else ada, key)
    # What the reader's password opens is another matter.
    assert ended([opened]) == (set() if (how, whose) == ("password", "reader") else {opened})


@pytest.mark.parametrize("how", ["user inactive", "user deleted"])
def test_ticket__that_a_producers_token_asked_for__ends_with_the_producer(ada: User, how: str) -> None:
    producer = make_user("shop")
    token = make_token(producer, "publish").token
    opened = by_ticket(services.issue_ticket(ada, token=token, requested_by=producer))
    assert ended([opened]) == set()
    SESSION_ENDS[how](producer, "")
    assert ended([opened]) == {opened}


def test_ticket__that_a_producers_session_asked_for__ends_with_that_session(ada: User) -> None:
    producer = make_user("shop")
    key = new_session(producer)
    opened = by_ticket(services.issue_ticket(ada, session_key=key, requested_by=producer))
    expire(key)
    assert ended([opened]) == {opened}


def test_session__its_user_changed_in_what_gives_no_right__goes_on(ada: User) -> None:
    opened = by_cookie(new_session(ada))
    ada.first_name = "Ada"
    ada.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(days=99), session_data="other")
    assert ended([opened]) == set()


@pytest.mark.parametrize("how", SPOILT)
def test_token__ends_its_streams_and_those_of_its_tickets(ada: User, how: str) -> None:
    token, text = make_token(ada, "read")
    other = by_token(make_token(make_user("grace"), "read").text)
    opened = [by_token(text), by_ticket(services.issue_ticket(ada, token=token))]
    assert ended([*opened, other]) == set()
    spoil(token, how)
    assert ended([*opened, other]) == set(opened)
    assert come_back([*opened, other]) == set()


def test_token__outlives_the_password(ada: User) -> None:
    opened = by_token(make_token(ada, "read").text)
    give_password(ada)
    assert ended([opened]) == set()


def test_thousands__three_statements_for_each(ada: User, django_assert_num_queries: Any) -> None:
    User.objects.bulk_create(
        [User(username=f"user {number}", password=str(number)) for number in range(1_200)]
    )
    users = list(User.objects.all())
    tokens = [make_token(user, "read").token.pk for user in users[:2]]
    until = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create([Session(pk=f"{user.pk:032}", expire_date=until) for user in users])
    opened = [Credential(user.pk, None, f"{user.pk:032}", session_fingerprint(user)) for user in users]
    opened += [Credential(ada.pk, token) for token in tokens]
    with django_assert_num_queries(5):
        assert ended(opened) == set()
    Session.objects.filter(pk__in=[each.session_key for each in opened[::2]]).delete()
    assert ended(opened) == {each for each in opened[::2] if each.session_key}
    with django_assert_num_queries(0):
        assert ended([]) == set()


@pytest.mark.parametrize("engine", ["cached_db", "cache", "file"])
def test_session__in_another_engine__ends_all_the_same(
    ada: User, settings: Any, tmp_path: Any, engine: str
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    key = new_session(ada)
    opened = by_cookie(key)
    assert ended([opened]) == set()
    import_module(settings.SESSION_ENGINE).SessionStore(key).delete()
    assert ended([opened]) == {opened}


@pytest.mark.parametrize("what", ["rule", "hidden"])
def test_user_model__with_a_rule_of_its_own__is_asked(
    ada: User, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(User, "get_session_auth_hash", lambda user: user.last_name + user.password)
    opened = by_cookie(new_session(ada))
    assert ended([opened]) == set()
    if what == "rule":
        User.objects.update(last_name="Lovelace")
    else:
        shown = type(User._default_manager).get_queryset
        hiding = lambda manager: shown(manager).exclude(username="ada")  # noqa: E731
        monkeypatch.setattr(type(User._default_manager), "get_queryset", hiding)
    assert ended([opened]) == {opened}


def test_database__that_does_not_answer__ends_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = by_cookie(new_session(ada))
    monkeypatch.setattr(credential_validity, "_rows", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ended([opened])


def test_ticket__of_a_session__opens_nothing_once_that_is_over_and_does_not_show_its_key(ada: User) -> None:
    key = new_session(ada)
    ticket = services.issue_ticket(ada, session_key=key)
    carried = services.check_ticket(ticket)
    assert carried is not None
    assert carried.session_key == key
    assert key.encode() not in ticket.encode()
    assert key.encode().hex() not in ticket
    Session.objects.all().delete()
    with pytest.raises(Refusal, match="bad_credential"):
        by_ticket(ticket)


def test_ticket__of_somebody_elses_session__opens_nothing(ada: User) -> None:
    ticket = services.issue_ticket(ada, session_key=new_session(make_user("grace")))
    with pytest.raises(Refusal, match="bad_credential"):
        by_ticket(ticket)


@pytest.fixture
def looks(django_capture_on_commit_callbacks: Any) -> Iterator[Callable[[Callable[[], object]], set[Any]]]:
    """Does something, and returns the users whose streams every process was asked to look at because of
    it.
    """
    told: list[Any] = []

    def hear(user_ids: Any, **kwargs: Any) -> None:
        told.extend(user_ids)

    def after(action: Callable[[], object]) -> set[Any]:
        told.clear()
        with django_capture_on_commit_callbacks(execute=True):
            action()
        return set(told)

    streams_changed.connect(hear)
    yield after
    streams_changed.disconnect(hear)


def test_looks__at_what_may_end_a_right_and_at_nothing_else(ada: User, looks: Any) -> None:
    token, browser, key = make_token(ada).token, Client(), ada.pk
    assert looks(lambda: make_user("grace")) == set()
    assert looks(lambda: browser.force_login(ada)) == set()
    assert looks(lambda: ada.save(update_fields=["last_login", "email"])) == set()
    assert looks(lambda: ada.save(update_fields=["is_active"])) == {key}
    assert looks(ada.save) == {key}
    assert looks(browser.logout) == {key}
    assert looks(lambda: services.revoke_tokens([token.pk])) == {key}
    assert looks(lambda: services.revoke_tokens([token.pk])) == set()
    assert looks(ada.delete) == {key}


def test_looks__after_sessions_were_ended_by_staff(ada: User, looks: Any) -> None:
    grace = make_user("grace")
    Client().force_login(ada)
    sign_in = SignIn.objects.get()
    assert looks(lambda: security_services.end_sessions([sign_in.pk], by=grace)) == {ada.pk}
    assert looks(lambda: security_services.end_sessions([sign_in.pk], by=grace)) == set()
