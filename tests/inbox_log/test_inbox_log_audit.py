"""``manage.py audit_inboxes``: silent over whatever the services write, and loud over each thing that they
never would.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from notifications import services
from notifications.inbox_log import audit as auditing
from notifications.models import Change, Event, Inbox, Notification
from tests.helpers.factories import make_user, order_event, send

pytestmark = pytest.mark.django_db(transaction=True)


def live(user: User) -> None:
    """Every kind of change, and every state that a notification can end in. The head is 14."""
    read, read_twice, swept, deleted, read_and_deleted, unread = (send(user, f"No {n}") for n in range(6))
    services.mark_read(user, [read, read_twice, read_and_deleted])
    services.delete(user, [deleted, read_and_deleted], reason="staff")
    services.mark_unread(user, [read_twice])
    services.mark_all_read(user, up_to=5, category="orders")
    services.mark_all_read(user, category="sync")
    send(user, "of another category", event=order_event(type_name="sync.run.done"), collapse_key="one")
    assert services.open_inbox(user.pk).head == 14, (swept, unread)


def run(*arguments: str) -> tuple[str, str]:
    """What the command says, and the error that it ends with."""
    out, error = StringIO(), ""
    try:
        call_command("audit_inboxes", *arguments, stdout=out, stderr=out)
    except CommandError as raised:
        error = str(raised)
    return out.getvalue(), error


def test_audit__of_what_the_services_write__finds_nothing(ada: User) -> None:
    live(ada)
    grace = make_user()
    send(grace)
    assert run() == ("Checked 2 inboxes: no problems.\n", "")
    assert run("--user", "ada") == ("Checked 1 inboxes: no problems.\n", "")
    assert run("--verbosity", "0") == ("", "")


def test_audit__without_any_inbox__is_content(db: None) -> None:
    assert run() == ("Checked 0 inboxes: no problems.\n", "")
    assert list(auditing.audit([])) == []


def at(position: int) -> Any:
    return Change.objects.filter(position=position)


def of(position: int) -> Any:
    return Notification.objects.filter(position=position)


DAY = timedelta(days=1)
WRONG: dict[str, tuple[Callable[[], Any], set[str]]] = {
    "a change is gone": (lambda: at(6).delete(), {"log", "unlogged"}),
    "the newest change is gone": (lambda: at(14).delete(), {"log", "unread", "unlogged"}),
    "the head is behind": (lambda: Inbox.objects.update(head=13), {"log", "unread"}),
    "the head is ahead": (lambda: Inbox.objects.update(head=15), {"log", "unread"}),
    "the count is wrong": (lambda: Inbox.objects.update(unread_count=F("unread_count") + 1), {"unread"}),
    "a count in the log is wrong": (lambda: at(5).update(unread_count=9), {"order"}),
    "time goes back": (lambda: at(10).update(at=F("at") - DAY), {"order", "fold"}),
    "a read that the log does not know": (
        lambda: of(6).update(read_at=F("created_at")),
        {"unread", "fold"},
    ),
    "a read that the row does not know": (lambda: of(1).update(read_at=None), {"unread", "fold"}),
    "a read at another time": (lambda: of(1).update(read_at=F("read_at") + DAY), {"fold"}),
    "an all-read at another time": (lambda: of(3).update(read_at=F("read_at") + DAY), {"fold"}),
    "an archived one that the log does not know": (
        lambda: of(1).update(archived_at=F("read_at")),
        {"fold"},
    ),
    "a read change that leaves it unread": (lambda: at(7).update(read_at=None), {"shape", "fold"}),
    "a created change that leaves it archived": (
        lambda: at(6).update(archived_at=F("at")),
        {"fold"},
    ),
    "an all-read change with a state": (lambda: at(13).update(read_at=F("at")), {"shape"}),
    "a deleted one that is listed": (lambda: of(4).update(deleted_at=None), {"unread", "fold"}),
    "a listed one that is deleted": (lambda: of(6).update(deleted_at=F("created_at")), {"unread", "fold"}),
    "a deletion at another time": (lambda: of(4).update(deleted_at=F("deleted_at") - DAY), {"fold"}),
    "another position": (lambda: of(6).update(position=60), {"fold"}),
    "a listed one that the log does not know": (
        lambda: Notification.objects.create(
            recipient=User.objects.get(), event=Event.objects.earliest("pk"), position=99,
            read_at=Event.objects.earliest("pk").created_at
        ),
        {"unlogged", "copies"},
    ),
    "another type": (lambda: of(6).update(type="orders.order.lost"), {"copies"}),
    "another category": (lambda: of(6).update(category="order"), {"copies"}),
    "another topic": (lambda: of(6).update(topic="elsewhere"), {"copies"}),
    "another level": (lambda: of(6).update(level="error"), {"copies"}),
    "another expiry": (lambda: of(6).update(expires_at=F("created_at") + DAY), {"copies"}),
    "an all-read of a notification": (
        lambda: at(1).update(kind="read_all", up_to=1),
        {"order", "shape"},
    ),
    "a deletion without a reason": (lambda: at(10).update(reason=""), {"shape"}),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_audit__of_what_is_wrong__says_so_and_fails(ada: User, what: str) -> None:
    live(ada)
    break_it, codes = WRONG[what]
    break_it()
    printed, error = run()
    assert {line.split(": ")[0] for line in printed.splitlines()} == {
        f"{ada.pk} (ada) {code}" for code in codes
    }
    assert "problems in 1 inboxes" in error
    assert run("--user", "ada") == (printed, error)


def test_audit__of_a_change_in_anothers_log__says_so(ada: User) -> None:
    live(ada)
    grace = make_user("grace")
    send(grace)
    Change.objects.filter(inbox=grace.pk).update(notification=of(6).get(recipient=ada))
    printed, _ = run("--user", "grace")
    assert f"{grace.pk} (grace) owner: the change at 1 is of a notification of user {ada.pk}\n" in printed


def test_audit__asks_eight_questions_for_each_run_of_inboxes_and_reports_progress(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    for _ in range(5):
        send(make_user())
    monkeypatch.setattr(
        "notifications.management.commands.audit_inboxes.inbox_keys.__kwdefaults__",
        {"after": None, "limit": 2},
    )
    with django_assert_num_queries(1 + 4 + 3 * len(auditing.CHECKS)):
        printed, error = run("--verbosity", "2")
    assert error == ""
    assert printed.splitlines() == [
        "2 of 5 inboxes …", "4 of 5 inboxes …", "5 of 5 inboxes …", "Checked 5 inboxes: no problems.",
    ]  # fmt: skip


def test_audit__of_very_much_that_is_wrong__lists_a_part(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    services.notify_many([ada], order_event(), title="t")
    for _ in range(5):
        send(ada)
    Notification.objects.update(topic="elsewhere")
    monkeypatch.setattr(auditing, "MAX_FINDINGS", 3)
    printed, error = run()
    assert len(printed.splitlines()) == 3
    assert error.startswith("3 problems in 1 inboxes: 3 copies.")


@pytest.mark.parametrize("name", ["nobody", "a\0b"])
def test_audit__of_nobody__is_refused(db: None, name: str) -> None:
    assert run("--user", name)[1] == f"There is no user {name!r}."


def test_audit__of_a_user_without_an_inbox__says_that_there_is_none(ada: User) -> None:
    assert "has no inbox yet" in run("--user", "ada")[1]


def test_audit__writes_nothing(ada: User) -> None:
    live(ada)
    at(3).delete()
    before = list(Change.objects.values_list()), list(Inbox.objects.values_list())
    with connection.execute_wrapper(refuse_writes):
        run()
    assert (list(Change.objects.values_list()), list(Inbox.objects.values_list())) == before


def refuse_writes(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
    assert sql.lstrip().startswith(("SELECT", "WITH")), sql
    return execute(sql, *arguments)
