"""The end of a right ends its streams: at once where a look tells of it, at the next tick where nothing
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, override_settings

from notifications import services
from notifications.contrib.security import services as security_services
from notifications.contrib.security.models import SignIn
from notifications.models import ApiToken
from notifications.signals import streams_changed
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.metrics import METRICS
from notifications.streaming.process import credential_validity, revocation
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, hears_hints, send_to
from tests.helpers.factories import make_token, make_user, order_event
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

# No tick comes to help.
NEVER = {"reconcile_seconds": 300.0, "database_watch_seconds": 60.0}
FAST = {"reconcile_seconds": 0.2, "database_watch_seconds": 60.0}


@dataclass
class Ada:
    """A user, a browser in which she is logged in, and a token of hers."""

    user: User
    browser: Client
    token: ApiToken
    text: str

    @property
    def session_key(self) -> str:
        """Of the browser's session."""
        return str(self.browser.cookies[django_settings.SESSION_COOKIE_NAME].value)


def logged_in(user: User) -> Client:
    """One more browser of a user."""
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def ada(transactional_db: None) -> Ada:
    user = make_user("ada")
    browser = logged_in(user)
    token, text = make_token(user, "read")
    return Ada(user, browser, token, text)


async def open_by(streams: Streams, ada: Ada, how: str) -> AsgiStream:
    """A live stream, by the browser's session, by a ticket that it asked for, or by the token."""
    if how == "token":
        stream = await streams.open(headers={"authorization": f"Bearer {ada.text}"})
    elif how == "ticket":
        ticket = services.issue_ticket(ada.user, session_key=ada.session_key)
        stream = await streams.open(query=f"ticket={ticket}")
    else:
        cookie = f"{django_settings.SESSION_COOKIE_NAME}={ada.session_key}"
        stream = await streams.open(cookie=cookie)
    await stream.expect("stream.live")
    await hears_hints(ada.user.pk)
    return stream


def logout(ada: Ada) -> None:
    assert ada.browser.post("/logout/").status_code == 302


def deactivate(ada: Ada) -> None:
    ada.user.is_active = False
    ada.user.save()


def change_password(ada: Ada) -> None:
    ada.user.set_password("another")
    ada.user.save()


def end_by_staff(ada: Ada) -> None:
    keys = SignIn.objects.values_list("pk", flat=True)
    assert security_services.end_sessions(keys, by=ada.user) == 1


def revoke(ada: Ada) -> None:
    assert services.revoke_tokens([ada.token.pk]) == 1


ALL = {"session", "ticket", "token"}
ENDS: list[tuple[Callable[[Ada], object], set[str]]] = [
    (logout, {"session", "ticket"}),
    (deactivate, ALL),
    (change_password, {"session", "ticket"}),
    (end_by_staff, {"session", "ticket"}),
    (revoke, {"token"}),
    (lambda ada: ada.user.delete(), ALL),
]


@pytest.mark.parametrize(
    ("end", "over"), ENDS, ids=["logout", "deactivated", "password", "staff", "token", "deleted"]
)
@override_settings(NOTIFICATION_HUB=NEVER)
async def test_right__ended__so_do_its_streams_and_no_others(
    ada: Ada,
    streams: Streams,
    end: Callable[[Ada], object],
    over: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revocation, "MAX_TICK_SECONDS", 300.0)
    opened = {how: await open_by(streams, ada, how) for how in sorted(ALL)}
    grace = await streams.open(await in_database_thread(make_user, "grace"))
    await grace.expect("stream.live")
    await in_database_thread(end, ada)
    for how in over:
        closed = (await opened[how].expect("stream.close")).json
        # The cookie decides, unless the end is one that no cookie outlives; a ticket is used up.
        reconnect = how == "session" and end in (change_password, end_by_staff)
        assert (closed["reason"], closed["reconnect"]) == ("revoked", reconnect)
        assert (closed["retry_ms"] == 86_400_000) is not reconnect
        assert await opened[how].wait_ended() == "clean"
    for stream in (grace, *(opened[how] for how in ALL - over)):
        assert stream.ended is None


@override_settings(NOTIFICATION_HUB=FAST)
async def test_session__that_goes_on_under_another_key__closes_its_stream_and_the_cookie_opens_another(
    ada: Ada, streams: Streams
) -> None:
    """As after the change of one's own password: the login goes on, and so do the other tabs of that
    browser.
    """
    old_key = ada.session_key
    stream = await open_by(streams, ada, "session")
    form = {"old_password": "ada", "new_password1": "quite-another-8", "new_password2": "quite-another-8"}
    answer = await in_database_thread(ada.browser.post, "/account/password/", form)
    assert answer.status_code == 302
    closed = (await stream.expect("stream.close")).json
    assert (closed["reason"], closed["reconnect"]) == ("revoked", True)
    assert ada.session_key != old_key
    assert (await open_by(streams, ada, "session")).status == 200


@override_settings(NOTIFICATION_HUB=FAST)
async def test_logout__in_one_browser__ends_no_stream_of_another(ada: Ada, streams: Streams) -> None:
    other = Ada(ada.user, await in_database_thread(logged_in, ada.user), ada.token, ada.text)
    here, there = await open_by(streams, ada, "session"), await open_by(streams, other, "session")
    await in_database_thread(logout, ada)
    assert (await here.expect("stream.close")).json["reconnect"] is False
    await send_to(ada.user)
    await there.expect("notification.created")


@override_settings(NOTIFICATION_HUB=NEVER)
async def test_look__that_comes_before_the_right_ends__is_followed_by_another(
    ada: Ada, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a logout, of which Django tells before it deletes the session."""
    monkeypatch.setattr(revocation, "MAX_TICK_SECONDS", 300.0)
    stream = await open_by(streams, ada, "session")
    looks, real = [], credential_validity.invalidated

    def end_after_looking(credentials: Any) -> Any:
        looks.append(real(credentials))
        Session.objects.all().delete()
        return looks[-1]

    monkeypatch.setattr(current_runtime()._revocation, "_find_invalidated", end_after_looking)
    await in_database_thread(lambda: streams_changed.send_robust(sender=None, user_ids=[ada.user.pk]))
    assert (await stream.expect("stream.close")).json["reason"] == "revoked"
    assert [len(ended) for ended in looks] == [0, 1]


SILENT_ENDS: list[Callable[[Ada], object]] = [
    lambda ada: User.objects.filter(pk=ada.user.pk).update(is_active=False),
    lambda ada: Session.objects.all().delete(),
    lambda ada: Session.objects.update(expire_date="2001-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("end", SILENT_ENDS, ids=["user", "session", "expired"])
@override_settings(NOTIFICATION_HUB={**FAST, "reconcile_seconds": 300})
async def test_right__ended_past_all_signals__is_found_at_the_next_tick_however_seldom_heads_are_compared(
    ada: Ada, streams: Streams, end: Callable[[Ada], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert revocation.MAX_TICK_SECONDS <= 8  # of the ten that are promised
    monkeypatch.setattr(revocation, "MAX_TICK_SECONDS", FAST["reconcile_seconds"])
    stream = await open_by(streams, ada, "session")
    await in_database_thread(end, ada)
    assert (await stream.expect("stream.close")).json["reason"] == "revoked"


@override_settings(NOTIFICATION_HUB=FAST)
async def test_rights__not_read_for_long__transient_events_wait_for_nobody_and_are_dropped(
    ada: Ada, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = await open_by(streams, ada, "session")
    monkeypatch.setattr(revocation, "MAX_UNVERIFIED_SECONDS", -1.0)
    dropped = METRICS.transient_frames["dropped"]
    await in_database_thread(services.emit, ada.user, order_event())
    await wait_until_async(lambda: METRICS.transient_frames["dropped"] > dropped)
    monkeypatch.undo()
    await in_database_thread(services.emit, ada.user, order_event(type_name="orders.order.seen"))
    await stream.expect("orders.order.seen")
    assert "orders.order.shipped" not in [event.type for event in stream.events]


@override_settings(NOTIFICATION_HUB=FAST)
async def test_database__that_fails_for_a_while__ends_nobody(
    ada: Ada, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = asyncio.Event(), credential_validity.invalidated
    loop = asyncio.get_running_loop()

    def fail(*args: Any, **options: Any) -> Any:
        loop.call_soon_threadsafe(asked.set)
        raise OSError("no database")

    stream = await open_by(streams, ada, "session")
    with monkeypatch.context() as failing:
        failing.setattr(credential_validity, "_rows", fail)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
    await send_to(ada.user)
    await stream.expect("notification.created")
    assert credential_validity.invalidated is ended
    await in_database_thread(deactivate, ada)
    assert (await stream.expect("stream.close")).json["reason"] == "revoked"
