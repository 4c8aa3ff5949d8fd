"""Logins: a new one is told with address and browser, failed ones are counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, user_login_failed
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications import services
from notifications.contrib.security.models import EndReason, FailedLogin, SignIn
from notifications.models import Change, Notification
from tests.helpers.factories import make_user
from tests.helpers.oracle import assert_converges, listed
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def ada() -> User:
    return make_user("ada", is_staff=True)


def log_in(
    username: str, password: str, *, address: str = "192.0.2.7", client: Client | None = None
) -> Client:
    """Through the admin's form, as a browser does."""
    client = client or Client(REMOTE_ADDR=address, HTTP_USER_AGENT=FIREFOX)
    client.post(reverse("admin:login"), {"username": username, "password": password, "next": "/admin/"})
    return client


def fail(username: str, address: str = "192.0.2.7") -> None:
    """One wrong password, past the view."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": address}
    assert authenticate(request, username=username, password="wrong") is None


def told(user: User, type_name: str = "") -> list[dict[str, Any]]:
    """What the user's list shows, newest first."""
    items = sorted(listed(user.pk).items.values(), key=lambda item: -item["position"])
    return [item for item in items if type_name in ("", item["type"])]


def test_login__is_told_with_address_and_browser(ada: User) -> None:
    with assert_converges(ada):
        log_in("ada", "ada")

    (item,) = told(ada)
    assert item["type"] == "security.session.new"
    assert item["category"] == "security"
    assert item["data"] == {"address": "192.0.2.7", "browser": "Firefox on Linux", "agent": FIREFOX}
    assert "Firefox on Linux" in item["title"]
    assert "192.0.2.7" in item["body"]
    assert item["url"] == reverse("password_change")
    sign_in = SignIn.objects.get()
    assert (sign_in.user, sign_in.address, sign_in.browser) == (ada, "192.0.2.7", "Firefox on Linux")
    assert sign_in.ended_at is None


def test_login__made_in_code__is_remembered_but_not_told(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert told(ada) == []
    assert SignIn.objects.get().session_key == client.session.session_key


def test_login__twice_in_one_session__ends_the_earlier_sign_in(ada: User) -> None:
    client = log_in("ada", "ada")
    log_in("ada", "ada", client=client)
    earlier, later = SignIn.objects.order_by("pk")
    assert (earlier.ended_reason, earlier.session_key) == (EndReason.LOGIN, "")
    assert later.ended_at is None
    assert later.session_key == client.session.session_key


def test_login__as_somebody_else_in_the_same_browser__keeps_the_two_apart(ada: User) -> None:
    grace = make_user("grace", is_staff=True)
    client = log_in("ada", "ada")
    log_in("grace", "grace", client=client)
    assert SignIn.objects.get(user=grace).session_key == client.session.session_key
    assert len(told(grace)) == 1


def test_logout__ends_the_sign_in_and_forgets_its_key(ada: User) -> None:
    client = log_in("ada", "ada")
    client.post(reverse("admin:logout"), {"next": "/admin/"})
    sign_in = SignIn.objects.get()
    assert (sign_in.ended_reason, sign_in.session_key) == (EndReason.LOGOUT, "")
    assert len(told(ada)) == 1


async def test_login__by_async_code__is_told_as_well() -> None:
    ada = await sync_to_async(make_user)("ada", is_staff=True)
    client = AsyncClient()
    fields = {"username": "ada", "password": "ada", "next": "/admin/"}
    assert (
        await client.post(reverse("admin:login"), fields, headers={"user-agent": "curl/8.5.0"})
    ).status_code == 302
    (item,) = await sync_to_async(told)(ada)
    assert item["data"] == {"address": "127.0.0.1", "browser": "curl", "agent": "curl/8.5.0"}
    session = await client.asession()
    assert (await SignIn.objects.aget()).session_key == session.session_key


def test_failed_login__is_told_with_a_count_in_one_notification(ada: User) -> None:
    with assert_converges(ada), time_machine.travel(NOON, tick=False) as clock:
        for _ in range(3):
            log_in("ada", "wrong")
            clock.shift(60)

    (item,) = told(ada)
    assert item["type"] == "security.login.failed"
    assert item["level"] == "warning"
    assert item["data"] == {
        "address": "192.0.2.7",
        "count": 3,
        "first_at": "2026-11-21T12:00:00.000000Z",
        "last_at": "2026-11-21T12:02:00.000000Z",
        "several": False,
    }
    assert item["title"] == "3 failed logins from 192.0.2.7"
    assert set(Change.objects.filter(kind="deleted").values_list("reason", flat=True)) == {"replaced"}


def test_failed_login__from_another_address_or_in_another_hour__is_told_apart(ada: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        fail("ada")
        fail("ada", "198.51.100.1")
        clock.shift(3600)
        fail("ada")
    assert [(item["data"]["address"], item["data"]["count"]) for item in told(ada)] == [
        ("192.0.2.7", 1),
        ("198.51.100.1", 1),
        ("192.0.2.7", 1),
    ]


def test_failed_login__of_many_addresses__never_lists_more_than_ten(ada: User) -> None:
    with assert_converges(ada), time_machine.travel(NOON):
        for number in range(25):
            fail("ada", f"192.0.2.{number}")
            assert len(told(ada)) <= 10
    assert [item["data"]["address"] for item in told(ada)] == [f"192.0.2.{n}" for n in range(24, 14, -1)]


def test_failed_login__of_a_crowd__does_not_flood_the_log(ada: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for number in range(200):
            fail("ada", f"2001:db8::{number:x}")
            clock.shift(1)
    assert len(told(ada)) == 10
    assert FailedLogin.objects.count() == 10
    newest = told(ada)[0]
    assert (newest["data"]["several"], newest["data"]["address"]) == (True, "2001:db8::c6")
    assert (
        newest["data"]["count"] == 150
    )  # of 151: beyond 99 only counts with two significant digits are told
    assert "several addresses" in newest["title"]


def test_failed_login__for_an_unknown_name__costs_one_read_and_leaves_nothing_behind(ada: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        fail("nobody")
    ours = [query for query in queries.captured_queries if "is_active" in query["sql"].partition("WHERE")[2]]
    assert len(ours) == 1
    assert not Notification.objects.exists()
    assert not FailedLogin.objects.exists()


@pytest.mark.parametrize("name", ["", "ADA", "ada\0", "x" * 10_000, "\ud800"])
def test_failed_login__with_a_strange_name__tells_nobody_and_breaks_nothing(ada: User, name: str) -> None:
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": "192.0.2.7"}
    user_login_failed.send(__name__, credentials={"username": name}, request=request)
    assert told(ada) == []


def test_failed_login__of_a_user_who_is_not_active__is_not_told() -> None:
    user = make_user("gone", is_active=False)
    fail("gone")
    assert told(user) == []


def test_failed_login__without_a_request__is_told_without_an_address(ada: User) -> None:
    assert authenticate(username="ada", password="wrong") is None
    (item,) = told(ada)
    assert item["data"]["address"] == ""
    assert "unknown address" in item["title"]


@pytest.mark.urls("django.contrib.staticfiles.urls")
def test_failed_login__in_a_project_without_a_page_for_passwords__is_told_without_a_url(ada: User) -> None:
    fail("ada")
    assert told(ada)[0]["url"] == ""


def test_failed_login__that_names_nobody__is_ignored(ada: User) -> None:
    assert authenticate(token="not a name") is None
    assert told(ada) == []


@pytest.mark.parametrize("addresses", [["192.0.2.7"] * 4, [f"192.0.2.{n}" for n in range(4)]])
def test_failed_login__at_the_same_time__each_is_counted_once(ada: User, addresses: list[str]) -> None:
    barrier = Barrier(len(addresses))

    def try_once(address: str) -> None:
        barrier.wait(timeout=PATIENCE_SECONDS)
        try:
            fail("ada", address)
        finally:
            connection.close()

    # At noon: those of another hour are told apart.
    with time_machine.travel(NOON), ThreadPoolExecutor(len(addresses)) as pool:
        list(pool.map(try_once, addresses))

    services.sweep()
    assert sum(item["data"]["count"] for item in told(ada)) == len(addresses)
    assert len(told(ada)) == len(set(addresses))


def test_failed_login__when_telling_fails__the_login_form_still_answers(
    ada: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*args: object, **options: object) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(services, "notify", break_down)
    client = log_in("ada", "wrong")
    assert client.get(reverse("admin:index")).status_code == 302
    log_in("ada", "ada", client=client)
    assert client.get(reverse("admin:index")).status_code == 200
    assert [
        record.message
        for record in caplog.records
        if record.name.startswith("notifications.contrib.security")
    ] == [
        "Could not tell of a failed login",
        "Could not tell of a login",
    ]


def test_failed_logins__long_quiet__are_replaced_by_newer_ones(ada: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(12):
            fail("ada")
            clock.shift(timedelta(hours=1))
    assert len(told(ada)) == 10
