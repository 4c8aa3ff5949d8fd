"""``create_token``."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications import services
from notifications.filters import SubjectValues
from notifications.models import ApiToken
from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def ada() -> User:
    return make_user("ada")


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("create_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_create_token__prints_the_text_alone_and_it_works(ada: User) -> None:
    out, err = run("ada", "--scope", "inbox", "--scope", "read", "--name", "ci-deploy")
    text = out.removesuffix("\n")
    token = services.usable_token(text)
    assert token is not None
    assert (token.user, token.name, token.scopes) == (ada, "ci-deploy", "read inbox")
    assert token.created_by == "manage.py create_token"
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    assert text not in err
    assert "read inbox" in err


def test_create_token__to_publish_for_one_who_may_not__says_so(ada: User) -> None:
    out, err = run("ada", "--scope", "publish")
    assert services.usable_token(out.removesuffix("\n")) is not None
    assert (
        "ada may not send notifications: until they have the permission notification_hub.add_notification"
        in err
    )
    assert "may not" not in run("ada", "--scope", "read")[1]
    ada.user_permissions.add(Permission.objects.get(codename="add_notification"))
    assert "may not" not in run("ada", "--scope", "publish")[1]


@pytest.mark.parametrize(("days", "expected"), [("1", 1), ("3650", 3650), ("0", None)])
def test_create_token__for_so_many_days(days: str, expected: int | None) -> None:
    run("ada", "--scope=read", f"--days={days}")
    end = ApiToken.objects.get().expires_at
    assert (end is None) is (expected is None)
    assert end is None or round((end - timezone.now()) / timedelta(days=1)) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody", "--scope=read"], "USER: there is no active user 'nobody'"),
        (["gone", "--scope=read"], "USER: there is no active user 'gone'"),
        (["\udcff", "--scope=read"], "USER: holds a lone surrogate"),
        (["ada"], "required: --scope"),
        (["ada", "--scope=admin"], "invalid choice: 'admin'"),
        (["ada", "--scope=read", "--name="], "name: must have 1 to 100 characters"),
        (["ada", "--scope=read", "--name=" + "x" * 101], "name: must have"),
        (["ada", "--scope=read", "--days=-1"], "days: must lie between"),
        (["ada", "--scope=read", "--days=3651"], "days: must lie between"),
        (["ada", "--scope=read", "--days=soon"], "invalid int value: 'soon'"),
    ],
)
def test_create_token__with_something_wrong__says_what_and_makes_none(
    arguments: list[str], said: str
) -> None:
    make_user("gone", is_active=False)
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert said in str(refused.value)
    assert not ApiToken.objects.exists()


def test_create_token__limited__may_send_those_types_and_topics_alone() -> None:
    run("ada", "--scope", "publish", "--type", "orders.*", "--type", "imports.run.done", "--topic", "order:7")
    token = ApiToken.objects.get()
    assert (token.types, token.topics) == ("orders.*,imports.run.done", "order:7")
    admits = token.send_limits.admits
    assert admits(SubjectValues("orders.order.shipped", "order:7"))
    assert not admits(SubjectValues("orders.order.shipped", "order:8"))
    assert not admits(SubjectValues("news.site.down", "order:7"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scope", "read", "--type", "orders.*"],
        ["--scope", "read", "--topic", "order:7"],
        ["--scope", "publish", "--type", "Orders"],
        ["--scope", "publish", "--type", "orders*"],
        ["--scope", "publish", "--type", ""],
        ["--scope", "publish", "--topic", "x" * 101],
        ["--scope", "publish", *[part for number in range(51) for part in ("--topic", str(number))]],
    ],
    ids=range(7),
)
def test_create_token__limits_that_cannot_be__makes_none(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"types:|topics:"):
        run("ada", *arguments)
    assert not ApiToken.objects.exists()
