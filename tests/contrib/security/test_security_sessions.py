"""Changed passwords and ended sessions: who is told, and which session goes on."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core import checks
from django.core.management import call_command
from django.db import transaction
from django.test import AsyncClient, Client
from django.urls import reverse

from notifications.contrib.security import services
from notifications.contrib.security.models import EndReason, SignIn
from notifications.models import Notification
from tests.helpers.factories import make_user
from tests.helpers.oracle import assert_converges, listed

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada() -> User:
    return make_user("ada", is_staff=True)


def logged_in(user: User) -> Client:
    """A browser with a session of its own."""
    client = Client(REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl/8.5.0")
    client.force_login(user)
    return client


def is_logged_in(client: Client) -> bool:
    return client.get(reverse("admin:index")).status_code == 200


def change_password(client: Client, old: str = "ada", new: str = NEW_PASSWORD) -> None:
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    assert client.post(reverse("admin:password_change"), fields).status_code == 302


def told(user: User) -> list[dict[str, Any]]:
    """What the user's list shows, oldest first."""
    return sorted(listed(user.pk).items.values(), key=lambda item: item["position"])


def types(user: User) -> list[str]:
    return [item["type"] for item in told(user)]


def test_password_change__is_told_ends_the_other_sessions_and_keeps_its_own(ada: User) -> None:
    here, there, elsewhere = logged_in(ada), logged_in(ada), logged_in(ada)
    with assert_converges(ada):
        change_password(here)

    changed, revoked = told(ada)
    assert changed["type"] == "security.password.changed"
    assert changed["data"] == {"address": "192.0.2.7", "browser": "curl"}
    assert changed["body"].startswith("curl, from 192.0.2.7. If this was not you")
    assert changed["actor"] == "ada"
    assert revoked["type"] == "security.session.revoked"
    assert revoked["data"] == {"count": 2, "by": "password_change"}
    assert is_logged_in(here)
    assert not is_logged_in(there)
    assert not is_logged_in(elsewhere)
    assert Session.objects.count() == 1
    assert SignIn.objects.get(ended_at=None).session_key == here.session.session_key
    assert set(SignIn.objects.exclude(ended_at=None).values_list("ended_reason", "session_key")) == {
        (EndReason.PASSWORD_CHANGE, "")
    }


def test_password_change__follows_its_session_to_each_new_key(ada: User) -> None:
    here = logged_in(ada)
    change_password(here)
    change_password(here, old=NEW_PASSWORD, new="another " + NEW_PASSWORD)
    assert is_logged_in(here)
    assert SignIn.objects.get().session_key == here.session.session_key
    assert types(ada) == ["security.password.changed"] * 2


async def test_password_change__over_asgi__keeps_its_own_session_too() -> None:
    ada = await sync_to_async(make_user)("ada", is_staff=True)
    here = AsyncClient()
    await here.aforce_login(ada)
    there = await sync_to_async(logged_in)(ada)
    fields = {"old_password": "ada", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    answer = await here.post(reverse("admin:password_change"), fields)

    assert answer.status_code == 302
    assert (await here.get(reverse("admin:index"))).status_code == 200
    assert not await sync_to_async(is_logged_in)(there)
    session = await here.asession()
    assert (await SignIn.objects.aget(ended_at=None)).session_key == session.session_key
    assert await sync_to_async(types)(ada) == ["security.password.changed", "security.session.revoked"]


def test_password_change__without_other_sessions__ends_none(ada: User) -> None:
    change_password(logged_in(ada))
    assert types(ada) == ["security.password.changed"]


def test_password_change__counts_only_sessions_that_are_live(ada: User) -> None:
    here, expired = logged_in(ada), logged_in(ada)
    logged_in(ada).post(reverse("admin:logout"), {"next": "/admin/"})
    expired.session.flush()
    change_password(here)
    assert types(ada) == ["security.password.changed"]
    assert SignIn.objects.filter(ended_reason=EndReason.EXPIRED).count() == 1


def test_password_change__leaves_other_users_alone(ada: User, root: User) -> None:
    others = logged_in(root)
    change_password(logged_in(ada))
    assert is_logged_in(others)
    assert types(root) == []


def test_password_change__by_staff__ends_all_sessions_and_says_who_did_it(ada: User, root: User) -> None:
    theirs, staff = logged_in(ada), logged_in(root)
    fields = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    staff.post(reverse("admin:auth_user_password_change", args=[ada.pk]), fields)

    changed, revoked = told(ada)
    assert (changed["type"], changed["actor"]) == ("security.password.changed", "root")
    assert (revoked["data"]["count"], revoked["actor"]) == (1, "root")
    assert not is_logged_in(theirs)
    assert is_logged_in(staff)
    assert types(root) == []


def test_password_change__by_code__ends_all_sessions(ada: User) -> None:
    browser = logged_in(ada)
    ada.set_password(NEW_PASSWORD)
    ada.save()
    assert types(ada) == ["security.password.changed", "security.session.revoked"]
    assert told(ada)[0]["actor"] == ""
    assert told(ada)[0]["body"].startswith("If this was not you")
    assert not is_logged_in(browser)


def test_password_change__in_a_transaction_that_is_rolled_back__never_happened(ada: User) -> None:
    browser = logged_in(ada)
    with transaction.atomic():
        ada.set_password(NEW_PASSWORD)
        ada.save()
        transaction.set_rollback(True)
    assert types(ada) == []
    assert is_logged_in(browser)
    assert SignIn.objects.get().ended_at is None


def test_password__given_at_creation__is_no_change() -> None:
    by_manager = make_user("one")
    by_save = User(username="two")
    by_save.set_password("two")
    by_save.save()
    form = AdminUserCreationForm(
        {
            "username": "three",
            "password1": NEW_PASSWORD,
            "password2": NEW_PASSWORD,
            "usable_password": "true",
        }
    )
    by_form = form.save()
    call_command("createsuperuser", "--noinput", username="four", email="", stdout=StringIO())
    by_command = User.objects.get(username="four")
    for user in (by_manager, by_save, by_form, by_command):
        assert types(user) == []
    assert not Notification.objects.exists()


def test_password__set_again_on_the_instance_that_was_just_created__is_a_change() -> None:
    user = User(username="two")
    user.set_password("two")
    user.save()
    user.set_password(NEW_PASSWORD)
    user.save()
    assert types(user) == ["security.password.changed"]


def test_password__hashed_anew_at_a_login__is_no_change(ada: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    hashed = ada.password
    Client().login(username="ada", password="ada")
    ada.refresh_from_db()
    assert ada.password != hashed
    assert types(ada) == []


def test_profile_change__is_no_password_change(ada: User) -> None:
    ada.first_name = "Ada"
    ada.save()
    assert types(ada) == []


def test_password_change__when_telling_fails__is_made_all_the_same(
    ada: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(user: User) -> None:
        Notification.objects.create()  # an error of the database, inside the caller's transaction

    monkeypatch.setattr(services, "password_changed", break_down)
    with transaction.atomic():
        ada.set_password(NEW_PASSWORD)
        ada.save()
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)
    assert "Could not tell of a changed password" in caplog.text


def run_action(client: Client, action: str, *sign_ins: SignIn) -> Any:
    fields = {"action": action, "_selected_action": [sign_in.pk for sign_in in sign_ins]}
    return client.post(reverse("admin:notification_hub_security_signin_changelist"), fields, follow=True)


def test_staff__end_a_session__and_its_user_is_told(ada: User, root: User) -> None:
    ended, kept, staff = logged_in(ada), logged_in(ada), logged_in(root)
    first = SignIn.objects.filter(user=ada).earliest("pk")
    with assert_converges(ada):
        answer = run_action(staff, "end_these", first)

    assert "1 session was ended." in answer.content.decode()
    (item,) = told(ada)
    assert item["type"] == "security.session.revoked"
    assert item["data"] == {"count": 1, "by": "staff"}
    assert item["actor"] == "root"
    assert not is_logged_in(ended)
    assert is_logged_in(kept)
    first.refresh_from_db()
    assert (first.ended_reason, first.session_key) == (EndReason.STAFF, "")

    run_action(staff, "end_these", first)
    assert len(told(ada)) == 1


def test_staff__end_all_sessions_of_a_user__but_never_the_one_they_do_it_with(ada: User, root: User) -> None:
    theirs = [logged_in(ada), logged_in(ada)]
    staff, other = logged_in(root), logged_in(root)
    run_action(staff, "end_all", *SignIn.objects.filter(pk__in=[SignIn.objects.earliest("pk").pk]))
    assert not any(map(is_logged_in, theirs))
    assert told(ada)[0]["data"]["count"] == 2
    run_action(staff, "end_all", *SignIn.objects.filter(user=root)[:1])
    assert is_logged_in(staff)
    assert not is_logged_in(other)


def test_staff__without_the_permission__can_look_but_end_nothing(ada: User) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_signin"))
    theirs, client = logged_in(ada), logged_in(clerk)
    run_action(client, "end_all", SignIn.objects.get(user=ada))
    assert is_logged_in(theirs)
    assert types(ada) == []


def test_admin__shows_sign_ins_without_their_keys_and_edits_none(ada: User, root: User) -> None:
    theirs, staff = logged_in(ada), logged_in(root)
    sign_in = SignIn.objects.get(user=ada)
    pages = [
        reverse("admin:notification_hub_security_signin_changelist") + "?q=ada&ended_at__isempty=1",
        reverse("admin:notification_hub_security_signin_change", args=[sign_in.pk]),
    ]
    for page in pages:
        answer = staff.get(page)
        assert answer.status_code == 200
        assert str(theirs.session.session_key) not in answer.content.decode()
    assert (
        staff.get(reverse("admin:notification_hub_security_signin_delete", args=[sign_in.pk])).status_code
        == 403
    )
    assert staff.get(reverse("admin:notification_hub_security_signin_add")).status_code == 403


def test_admin__deletes_a_user_together_with_the_sign_ins(ada: User, root: User) -> None:
    logged_in(ada)
    answer = logged_in(root).post(reverse("admin:auth_user_delete", args=[ada.pk]), {"post": "yes"})
    assert answer.status_code == 302
    assert not SignIn.objects.filter(user_id=ada.pk).exists()


def test_checks__name_what_is_missing(settings: Any) -> None:
    assert not [
        found for found in checks.run_checks() if str(found.id).startswith("notification_hub_security")
    ]
    settings.MIDDLEWARE = []
    settings.AUTH_PASSWORD_VALIDATORS = []
    found = {warning.id for warning in checks.run_checks()}
    assert {"notification_hub_security.W001", "notification_hub_security.W002"} <= found


def test_page_that_needs_no_session__still_loads_none(ada: User) -> None:
    answer = Client().get("/nothing/here/")
    assert "Cookie" not in answer.headers.get("Vary", "")
