"""``manage.py new_epoch``: after it no cursor from before is taken for one of now."""

from __future__ import annotations

import io
import sys
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import override_settings

from notifications import services
from notifications.inbox_log import audit as auditing
from notifications.models import Inbox
from notifications.streaming.database_threads import in_database_thread
from tests.helpers.api import Api
from tests.helpers.asgi import Streams, send_to
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("new_epoch", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def epochs() -> dict[Any, str]:
    return dict(Inbox.objects.values_list("pk", "epoch"))


def test_new_epoch__for_all__replaces_each_and_nothing_else(ada: User) -> None:
    users = [ada, *(make_user() for _ in range(4))]
    for user in users:
        send(user)
    before, heads = epochs(), list(Inbox.objects.order_by("pk").values_list("pk", "head", "unread_count"))
    with assert_converges(*users):
        assert run("--yes") == "5 inboxes have a new epoch.\n"
    after = epochs()
    assert len(set(after.values()) | set(before.values())) == 10
    assert list(Inbox.objects.order_by("pk").values_list("pk", "head", "unread_count")) == heads


def test_new_epoch__for_one__leaves_the_others(ada: User) -> None:
    grace = make_user("grace")
    send(ada), send(grace)
    before = epochs()
    assert run("--yes", "--user", "ada") == "1 inboxes have a new epoch.\n"
    after = epochs()
    assert after[ada.pk] != before[ada.pk]
    assert after[grace.pk] == before[grace.pk]


def test_new_epoch__in_parts__reaches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        send(make_user())
    before, find = epochs(), auditing.inbox_keys
    monkeypatch.setattr(
        "notifications.management.commands.new_epoch.inbox_keys",
        lambda after=None: find(after=after, limit=2),
    )
    assert run("--yes", "--verbosity", "0") == ""
    assert not set(epochs().items()) & set(before.items())


def test_new_epoch__asks_first(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    send(ada)
    before = epochs()
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match="no terminal to ask"):
        run()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    with pytest.raises(CommandError, match=r"^Nothing was changed\.$"):
        run()
    assert epochs() == before
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert run().startswith("A backup that was restored is older than what clients have seen")
    assert epochs() != before


def test_new_epoch__of_an_inbox_that_stays_locked__says_how_far_it_came(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ada)

    def locked(*args: Any, **options: Any) -> Any:
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr("notifications.inbox_log.inboxes.lock_inboxes", locked)
    with pytest.raises(CommandError, match=r"^0 inboxes have a new epoch, then one stayed locked"):
        run("--yes")


def test_new_epoch__of_nobody_or_without_an_inbox__is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("--yes", "--user", "nobody")
    make_user("ada")
    with pytest.raises(CommandError, match="'ada' has no inbox yet"):
        run("--yes", "--user", "ada")


def test_cursors_from_before__are_gone_from_the_polling_delta(ada: User) -> None:
    send(ada)
    before = services.open_inbox(ada.pk).cursor
    run("--yes")
    answer = Api(ada).get("/changes", {"after": str(before)})
    assert (answer.status, answer.code) == (410, "cursor_epoch")
    assert answer.problem["cursor"] == str(services.open_inbox(ada.pk).cursor)


@override_settings(NOTIFICATION_HUB={"reconcile_seconds": 0.1})
async def test_streams__that_are_open__are_reset_and_those_that_resume_too(
    ada: User, streams: Streams
) -> None:
    await send_to(ada)
    stream = await streams.open(ada)
    before = (await stream.expect("stream.live")).json["cursor"]
    await in_database_thread(run, "--yes")
    now = str((await in_database_thread(services.open_inbox, ada.pk)).cursor)
    reset = await stream.expect("stream.reset")
    assert (reset.id, reset.json) == (now, {"reason": "epoch", "cursor": now})
    await send_to(ada)
    created = await stream.expect("notification.created")
    assert created.id == f"{now.split('-', maxsplit=1)[0]}-2"
    resumed = await streams.answer(ada, f"after={before}&closeafter=live")
    assert resumed.events[1].json["reason"] == "epoch"
