"""``create_producer``."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from notifications.models import ApiToken, Notification
from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_producer", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_create_producer__its_token_publishes_what_it_may__and_nobody_can_log_in_as_it(
    client: Client,
) -> None:
    ada = make_user("ada")
    out, err = run("shop", "--type", "orders.*")
    headers = {"Authorization": f"Bearer {out.strip()}"}
    body = {"to": {"users": ["ada"]}, "title": "Shipped"}
    sent = client.post(
        "/api/v1/publish",
        {**body, "type": "orders.order.shipped"},
        content_type="application/json",
        headers=headers,
    )
    assert sent.status_code == 201, sent.content
    assert Notification.objects.get().recipient == ada
    other = client.post(
        "/api/v1/publish", json.dumps({**body, "type": "news.site.down"}), "application/json", headers=headers
    )
    assert other.status_code == 403
    shop = User.objects.get(username="shop")
    assert not shop.has_usable_password()
    assert not shop.is_staff
    assert "has no password" in err
    assert ApiToken.objects.get().created_by == "manage.py create_producer"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ada"], "NAME: there is a user 'ada' already. Give them the permission"),
        (["a b"], "NAME: Enter a valid username."),
        ([""], "NAME: This field cannot be blank."),
        (["x" * 151], "NAME: Ensure this value has at most 150 characters"),
        (["\udcff"], "NAME: holds a lone surrogate"),
        (["shop", "--type", "Orders"], "types:"),
        (["shop", "--days=-1"], "days: must lie between"),
        (["shop", "--field", "email"], "field: must be FIELD=VALUE, not 'email'"),
        (["shop", "--field", "height=3"], "field: the user model has no field 'height'"),
        (["shop", "--field", "email=nobody"], "email: Enter a valid email address."),
        (["shop", "--field", "date_joined=soon"], "date_joined:"),
    ],
)
def test_create_producer__with_something_wrong__says_what_and_makes_nothing(
    arguments: list[str], said: str
) -> None:
    make_user("ada")
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert said in str(refused.value)
    assert list(User.objects.values_list("username", flat=True)) == ["ada"]
    assert not ApiToken.objects.exists()


def test_create_producer__other_fields__are_those_of_the_user() -> None:
    run("shop", "--field", "email=shop@example.com", "--field", "first_name=Shop")
    shop = User.objects.get()
    assert (shop.email, shop.first_name) == ("shop@example.com", "Shop")
