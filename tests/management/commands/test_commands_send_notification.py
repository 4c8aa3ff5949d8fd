"""``create_demo_users`` and ``send_notification``."""

from __future__ import annotations

from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from notifications.models import Event, Notification
from tests.helpers.factories import make_user
from tests.helpers.oracle import assert_converges, listed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def development(settings: Any) -> None:
    settings.DEBUG = True


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("development")
def test_create_demo_users__makes_them_and_prints_them_once() -> None:
    printed = run("create_demo_users")
    for name in ("admin", "ada", "grace"):
        assert f"{name} / {name}" in printed
        user = authenticate(username=name, password=name)
        assert isinstance(user, User)
        assert user.is_staff is user.is_superuser is (name == "admin")
    assert run("create_demo_users") == ""
    assert User.objects.count() == 3


@pytest.mark.usefixtures("development")
def test_create_demo_users__leaves_a_user_that_exists_as_it_is() -> None:
    ada = make_user("ada", first_name="Augusta")
    ada.set_password("her own")
    ada.save()
    printed = run("create_demo_users")
    assert "admin / admin" in printed
    assert "ada / ada" not in printed
    ada.refresh_from_db()
    assert ada.check_password("her own")
    assert ada.first_name == "Augusta"


@pytest.mark.usefixtures("development")
def test_create_demo_users__tells_nobody_of_a_changed_password() -> None:
    run("create_demo_users")
    assert not Notification.objects.exists()


def test_create_demo_users__is_refused_when_debug_is_off() -> None:
    with pytest.raises(CommandError, match="DEBUG"):
        run("create_demo_users")
    assert not User.objects.exists()


def test_send_notification__sends_what_it_was_given_and_prints_the_id() -> None:
    ada = make_user("ada")
    with assert_converges(ada):
        printed = run(
            "send_notification", "ada", "orders.order.shipped", "--title=On its way", "--body=Soon.",
            "--url=/orders/7/", "--topic=order:7", "--level=success", "--actor=grace",
            '--data={"b": 1, "a": [1.5]}', "--expires-at=2100-01-01T00:00:00Z",
        )  # fmt: skip
    (item,) = listed(ada.pk).items.values()
    assert item["id"] == str(UUID(printed.strip()))
    assert {name: item[name] for name in ("type", "title", "body", "url", "topic", "level", "actor")} == {
        "type": "orders.order.shipped",
        "title": "On its way",
        "body": "Soon.",
        "url": "/orders/7/",
        "topic": "order:7",
        "level": "success",
        "actor": "grace",
    }
    assert list(item["data"].items()) == [("b", 1), ("a", [1.5])]
    assert item["expires_at"] == "2100-01-01T00:00:00.000000Z"
    assert Event.objects.get().source == "manage.py send_notification"


def test_send_notification__with_a_collapse_key__replaces() -> None:
    ada = make_user("ada")
    for percent in ("10", "20"):
        run("send_notification", "ada", "imports.file.done", f"--title={percent} %", "--collapse-key=7")
    (item,) = listed(ada.pk).items.values()
    assert item["title"] == "20 %"


def test_send_notification__scheduled__is_not_shown_yet() -> None:
    ada = make_user("ada")
    run("send_notification", "ada", "a.b", "--title=Later", "--deliver-at=2100-01-01T00:00:00+01:00")
    assert listed(ada.pk).items == {}
    assert Notification.objects.get().deliver_at is not None


def test_send_notification__of_a_registered_type__takes_its_level() -> None:
    ada = make_user("ada")
    run(
        "send_notification",
        "ada",
        "security.session.revoked",
        "--title=Try",
        '--data={"count": 1, "by": "staff"}',
    )
    (item,) = listed(ada.pk).items.values()
    assert (item["level"], item["data"]) == ("warning", {"count": 1, "by": "staff"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody", "a.b", "--title=x"], "USER: there is no user 'nobody'"),
        (["\udcff", "a.b", "--title=x"], "USER: holds a lone surrogate"),
        (["ada", "shipped", "--title=x"], "type: "),
        (["ada", "inbox.read", "--title=x"], "type: may not begin with inbox"),
        (["ada", "run.started", "--title=x"], "type: may not begin with run"),
        (["ada", "a.b", "--title="], "title: must not be empty"),
        (["ada", "a.b", "--title=" + "x" * 201], "title: has 201 characters"),
        (["ada", "security.session.revoked", "--title=x", '--data={"count": 1}'], "data.by: is required"),
        (["ada", "a.b", "--title=x", "--data={"], "data: is not valid JSON"),
        (["ada", "a.b", "--title=x", "--data=[1]"], "data: must be a JSON object"),
        (["ada", "a.b", "--title=x", '--data={"a":1,"a":2}'], "data: "),
        (["ada", "a.b", "--title=x", '--data={"a":NaN}'], "data: "),
        (["ada", "a.b", "--title=x", "--url=javascript:alert(1)"], "url: "),
        (["ada", "a.b", "--title=x", "--topic=a,b"], "topic: "),
        (["ada", "a.b", "--title=x", "--body=" + "€" * 10_000, f'--data={{"a":"{"x" * 60_000}"}}'], "64 KiB"),
        (["ada", "a.b", "--title=x", "--deliver-at=soon"], "deliver_at: 'soon' is not a time"),
        (["ada", "a.b", "--title=x", "--deliver-at=2026-13-01T00:00Z"], "deliver_at: "),
        (["ada", "a.b", "--title=x", "--expires-at=2026-12-01T00:00"], "expires_at: "),
        (["ada", "a.b"], "required: --title"),
        (["ada", "a.b", "--title=x", "--level=loud"], "invalid choice: 'loud'"),
    ],
)
def test_send_notification__with_something_wrong__says_what_and_sends_nothing(
    arguments: list[str], said: str
) -> None:
    make_user("ada")
    with pytest.raises(CommandError) as refused:
        run("send_notification", *arguments)
    assert said in str(refused.value)
    assert refused.value.returncode == 1
    assert not Notification.objects.exists()
    assert not Event.objects.exists()
