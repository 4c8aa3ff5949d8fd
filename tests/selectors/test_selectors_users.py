"""Who may come in: permissions and sessions, as Django has them."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from notifications import selectors
from notifications.contrib.security.sessions import SessionStore
from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


class Generous(ModelBackend):
    """Lets everybody do anything."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return True


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("is_superuser", [True, False])
@pytest.mark.parametrize("group", ["senders", "others", None])
def test_has_permission__is_what_django_says(
    own: bool, is_active: bool, is_superuser: bool, group: str | None
) -> None:
    adding, viewing = (Permission.objects.get(codename=f"{verb}_notification") for verb in ("add", "view"))
    user = make_user("ada", is_active=is_active, is_superuser=is_superuser)
    user.user_permissions.add(viewing, *([adding] if own else []))
    make_user("bob").user_permissions.add(adding)
    if group:
        user.groups.add(made := Group.objects.create(name=group))
        made.permissions.add(adding if group == "senders" else viewing)
    fresh = User.objects.get(pk=user.pk)
    with CaptureQueriesContext(connection) as sent:
        answer = selectors.has_permission(fresh, "notification_hub.add_notification")
    assert answer == User.objects.get(pk=user.pk).has_perm("notification_hub.add_notification")
    assert len(sent) == (1 if is_active and not is_superuser else 0)
    assert not selectors.has_permission(fresh, "auth.add_notification") or is_superuser


def test_has_permission__another_backend_has_a_say__asks_it() -> None:
    user = make_user("ada")
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Generous"]):
        assert selectors.has_permission(user, "notification_hub.add_notification")


def _logged_in(user: User) -> Any:
    client = Client()
    client.force_login(user)
    return client.session


def test_user_of_session__is_who_django_says__or_nobody() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    session, other = _logged_in(ada), _logged_in(bob)
    with CaptureQueriesContext(connection) as sent:
        assert selectors.user_of_session(session) == ada
    assert len(sent) == 2
    assert selectors.user_of_session(SessionStore()) is None
    ada.set_password("another")
    ada.save()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert selectors.user_of_session(session) is None
    assert selectors.user_of_session(other) is None


def test_user_of_session__somebody_else_has_a_say__leaves_it_to_them() -> None:
    session = _logged_in(make_user("ada"))
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Generous"]):
        assert selectors.user_of_session(session) is None
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[django_settings.SECRET_KEY]):
        assert selectors.user_of_session(session) is None


def test_session__expired_or_unknown__is_empty() -> None:
    session = _logged_in(make_user("ada"))
    assert SessionStore(session.session_key).load() == dict(session.items())
    Session.objects.update(expire_date=timezone.now())
    assert SessionStore(session.session_key).load() == {}
    assert SessionStore("unknown").load() == {}
