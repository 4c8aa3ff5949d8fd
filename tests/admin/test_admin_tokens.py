"""The admin's API tokens: made once, shown once, revoked, and never edited."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import ApiToken
from tests.helpers.factories import make_token, make_user, spoil
from tests.helpers.staff import TOKENS as LIST
from tests.helpers.staff import client_of, make_staff, messages_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = f"{LIST}add/"


def form_for(user: Any, **fields: Any) -> dict[str, Any]:
    return {"user": user, "name": "ci-deploy", "scopes": ["read", "inbox"], "expires_at": "", **fields}


def names(staff: Client, **parameters: Any) -> list[str]:
    response = staff.get(LIST, parameters)
    assert response.status_code == 200
    return [row.name for row in response.context["cl"].result_list]


def errors_of(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    return {name: list(errors) for name, errors in response.context["adminform"].form.errors.items()}


def test_add__to_publish_for_one_who_may_not__says_so(staff: Client, ada: User) -> None:
    warning = "is refused until the user has the permission notification_hub.add_notification"
    assert warning in staff.post(ADD, form_for(ada.pk, scopes=["publish"])).content.decode()
    assert warning not in staff.post(ADD, form_for(ada.pk)).content.decode()
    ada.user_permissions.add(Permission.objects.get(codename="add_notification"))
    assert warning not in staff.post(ADD, form_for(ada.pk, scopes=["publish"])).content.decode()


def test_add__shows_the_text_exactly_once(staff: Client, ada: User) -> None:
    made = staff.post(ADD, form_for(ada.pk))
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    (text,) = re.findall(r"nhub_[A-Za-z0-9_-]{43}", made.content.decode())
    token = services.usable_token(text)
    assert token is not None
    assert (token.user, token.scopes, token.expires_at, token.created_by) == (ada, "read inbox", None, "root")
    for address in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/", "/admin/"):
        content = staff.get(address).content.decode()
        assert "nhub_" not in content
        assert token.token_hash not in content
    assert LogEntry.objects.get().object_repr == "ci-deploy"
    assert text not in str(list(LogEntry.objects.values()))


def test_add__with_limits__keeps_them_and_shows_them(staff: Client, ada: User) -> None:
    staff.post(
        ADD, form_for(ada.pk, scopes=["publish"], types="orders.*, imports.run.done", topics=" order:7 ")
    )
    token = ApiToken.objects.get()
    assert (token.types, token.topics) == ("orders.*,imports.run.done", "order:7")
    assert "orders.*,imports.run.done" in staff.get(f"{LIST}{token.pk}/change/").content.decode()
    wrong = staff.post(ADD, form_for(ada.pk, types="orders.*"))
    assert errors_of(wrong) == {"types": ["This limits the scope publish, which is not given."]}


def test_form__offers_90_days(staff: Client) -> None:
    initial = staff.get(ADD).context["adminform"].form.initial["expires_at"]
    assert abs(initial - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"user": ""}, "user"),
        ({"user": "999999999"}, "user"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
    ],
)
def test_add__with_something_wrong__says_so_and_makes_none(
    staff: Client, ada: User, fields: dict[str, Any], wrong: str
) -> None:
    assert list(errors_of(staff.post(ADD, form_for(ada.pk) | fields))) == [wrong]
    assert not ApiToken.objects.exists()


def test_add__for_an_inactive_user__is_refused(staff: Client) -> None:
    gone = make_user("gone", is_active=False)
    assert list(errors_of(staff.post(ADD, form_for(gone.pk)))) == ["user"]


def test_add__for_a_superuser__takes_a_superuser(ada: User) -> None:
    root = make_user("root", is_staff=True, is_superuser=True)
    vera = client_of(make_staff("vera", "add_apitoken"))
    assert list(errors_of(vera.post(ADD, form_for("root")))) == ["user"]
    assert not ApiToken.objects.exists()
    made = vera.post(ADD, form_for("ada"))
    assert "nhub_" in made.content.decode()
    assert "nhub_" in client_of(root).post(ADD, form_for(root.pk)).content.decode()


def test_list__shows_each_with_its_state_and_finds_it(staff: Client, ada: User) -> None:
    grace = make_user("grace")
    for name, user in (("one", ada), ("two", ada), ("three", ada), ("four", grace)):
        make_token(user, name=name)
    spoil(ApiToken.objects.get(name="two"), "revoked")
    spoil(ApiToken.objects.get(name="three"), "expired")
    spoil(ApiToken.objects.get(name="four"), "inactive")
    assert names(staff) == ["four", "three", "two", "one"]
    assert names(staff, state="usable") == ["four", "one"]
    assert names(staff, state="expired") == ["three"]
    assert names(staff, state="revoked") == ["two"]
    assert names(staff, q="TW") == ["two"]
    assert names(staff, q="grace") == ["four"]
    content = staff.get(LIST).content.decode()
    for word in ("Usable", "Expired", "Revoked", "User inactive", "read inbox", "never"):
        assert word in content


def test_list__any_number_of_rows__costs_the_same_few_queries(staff: Client, ada: User) -> None:
    for _ in range(12):
        make_token(make_user())
    with CaptureQueriesContext(connection) as captured:
        staff.get(LIST)
    assert len(captured) == 4  # session, user, count, page


def test_revoke__a_selection__ends_them_and_keeps_those_that_were(staff: Client, ada: User) -> None:
    first, second, kept = make_token(ada), make_token(ada), make_token(ada)
    spoil(first.token, "revoked")
    at = ApiToken.objects.get(pk=first.token.pk).revoked_at
    data = {"action": "revoke", "_selected_action": [first.token.pk, second.token.pk]}
    assert messages_of(staff.post(LIST, data, follow=True)) == ["1 API token was revoked."]
    assert services.usable_token(second.text) is None
    assert services.usable_token(kept.text) is not None
    assert ApiToken.objects.get(pk=first.token.pk).revoked_at == at
    assert LogEntry.objects.count() == 1
    assert messages_of(staff.post(LIST, data, follow=True)) == ["0 API tokens were revoked."]


def test_token__can_be_neither_edited_nor_deleted(staff: Client, ada: User) -> None:
    token = make_token(ada).token
    page = f"{LIST}{token.pk}/change/"
    assert staff.get(page).status_code == 200
    assert staff.post(page, form_for(ada.pk, scopes=["publish"])).status_code == 403
    assert staff.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    staff.post(LIST, {"action": "delete_selected", "_selected_action": [token.pk], "post": "yes"})
    assert ApiToken.objects.get().scopes == "read inbox"


def test_user__with_tokens__can_be_deleted(staff: Client, ada: User) -> None:
    make_token(ada)
    staff.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=ada.pk).exists()
    assert not ApiToken.objects.exists()


def test_permissions__each_opens_its_own_part(ada: User) -> None:
    token, text = make_token(ada)
    page = f"{LIST}{token.pk}/change/"
    revoking = {"action": "revoke", "_selected_action": [token.pk]}
    none, viewer = (
        client_of(make_staff("none", "view_notification")),
        client_of(make_staff("v", "view_apitoken")),
    )
    assert [none.get(address).status_code for address in (LIST, ADD, page)] == [403] * 3
    assert [viewer.get(address).status_code for address in (LIST, ADD, page)] == [200, 403, 200]
    viewer.post(LIST, revoking)
    none.post(LIST, revoking)
    assert services.usable_token(text) is not None
    assert none.post(ADD, form_for("ada")).status_code == 403
    assert ApiToken.objects.count() == 1
    revoker = client_of(make_staff("r", "view_apitoken", "revoke_apitoken"))
    revoker.post(LIST, revoking)
    assert services.usable_token(text) is None


@pytest.mark.parametrize("query", ["token_hash__startswith=a", "user__password__startswith=x"])
def test_lookup__past_the_filter__is_refused(staff: Client, query: str) -> None:
    answer = staff.get(f"{LIST}?{query}")
    assert answer.status_code == 400
