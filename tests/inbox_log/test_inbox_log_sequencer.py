"""The sequencer and the sweeper: in which order, how often, by how many statements, and what stops them
(nothing).
"""

from __future__ import annotations

import importlib
import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import DataError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.inbox_log import due
from notifications.models import Change, Event, Inbox, Notification
from notifications.signals import inbox_changed
from tests.helpers import auditor
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import assert_converges, changes_since
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

# The name in the package is the function's.
sequencer = importlib.import_module("notifications.inbox_log.sequencer")


@pytest.fixture
def many() -> list[User]:
    User.objects.bulk_create([User(username=f"many{number}") for number in range(501)])
    return list(User.objects.filter(username__startswith="many").order_by("pk"))


def stage(users: list[User], count: int = 1, **event: Any) -> None:
    """Committed rows that nobody has been told of."""
    row = Event.objects.create(**({"type": "orders.order.shipped", "title": "staged"} | event))
    Notification.objects.bulk_create(
        [Notification(recipient=user, event=row) for _ in range(count) for user in users]
    )


def titles(user: User) -> list[str]:
    return [change["notification"]["title"] for change in changes_since(user.pk, 0)]


def statements(captured: CaptureQueriesContext) -> list[str]:
    """What was asked, without what begins and ends transactions."""
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT set_config", "PRAGMA", "SET ")
    # Several that are sent together are counted one by one.
    sent = [sql for query in captured for sql in query["sql"].split("; ")]
    return [sql for sql in sent if not sql.startswith(control)]


def count_of(call: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(statements(captured))


def test_statements__of_a_send__are_few_and_the_same_for_one_and_for_500(ada: User, many: list[User]) -> None:
    for user in (ada, *many[:500]):
        services.open_inbox(user.pk)
    # staged, lock; notifications, changes, inbox
    one = stored() + 5
    assert count_of(lambda: services.notify(ada, order_event(), title="t")) == one
    assert count_of(lambda: services.notify_many(many[:500], order_event(), title="t")) == one
    # a second chunk, and an inbox
    assert count_of(lambda: services.notify_many(many, order_event(), title="t")) == one + 5 + 1


def stored() -> int:
    """Statements that store an event with its notifications."""
    return 1 if connection.vendor == "postgresql" else 2


def test_statements__of_a_send_that_collapses__are_two_more(ada: User) -> None:
    send(ada, collapse_key="k")
    assert count_of(lambda: send(ada, collapse_key="k")) == stored() + 5 + 2


def test_statements__of_the_first_send_to_a_user__make_the_inbox_by_one_more(ada: User) -> None:
    assert count_of(lambda: send(ada)) == stored() + 5 + 1


@pytest.mark.parametrize("number", [1, 100])
def test_statements__of_each_action__are_the_same_for_one_and_for_many(ada: User, number: int) -> None:
    with transaction.atomic():
        ids = [send(ada) for _ in range(number)]
    # who has an inbox, lock, rows; changes, notifications, inbox
    for action in (services.mark_read, services.mark_unread, services.delete):
        assert count_of(lambda action=action: action(ada, ids)) == 6
        assert count_of(lambda action=action: action(ada, ids)) == 3


def test_statements__of_mark_all_read__do_not_depend_on_how_many(ada: User) -> None:
    with transaction.atomic():
        for _ in range(100):
            send(ada)
    assert (
        count_of(lambda: services.mark_all_read(ada)) == 6
    )  # has an inbox, lock, count; update, change, inbox
    assert count_of(lambda: services.mark_all_read(ada)) == 3


def test_statements__of_an_idle_sweep__are_one_or_none_for_each_step_and_rule(ada: User) -> None:
    send(ada)
    services.sweep()
    assert (count_of(due.sequence_due), count_of(due.expire_due)) == (1, 1)
    # Withdrawals, streams of the dead and of the lost; then five rules of retention.
    assert count_of(services.sweep) == 2 + 3 + 5


def test_statements__of_opening_an_inbox__are_one_once_it_exists(ada: User) -> None:
    assert count_of(lambda: services.open_inbox(ada.pk)) == 3  # none, then what makes it, and what it is
    assert count_of(lambda: services.open_inbox(ada.pk)) == 1


def test_order__staged_by_several_hands__is_the_order_of_staging(ada: User, grace: User) -> None:
    for number in range(4):
        stage([grace, ada], title=f"past {number}")
    with transaction.atomic():
        send(ada, "sent")
    assert titles(ada) == ["past 0", "past 1", "past 2", "past 3", "sent"]


def test_order__more_than_one_transaction_takes__stays_the_order_of_staging(
    ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "MAX_ROWS", 3)
    for number in range(5):
        stage([ada, grace], title=f"{number}")
    with assert_converges(ada, grace):
        assert services.sequence([grace.pk, ada.pk]) == 10
    assert titles(ada) == titles(grace) == ["0", "1", "2", "3", "4"]


def test_sequence__called_again_by_anybody__does_nothing(ada: User, announced: list[Any]) -> None:
    send(ada)
    announced.clear()
    assert services.sequence([ada.pk, ada.pk + 1_000]) == 0
    assert services.sweep() == (0, 0)
    assert announced == []


def test_sequence__nobody__asks_nothing() -> None:
    assert count_of(lambda: services.sequence([])) == 0


def test_sequence__several_chunks__are_announced_one_by_one(
    settings: Any, many: list[User], announced: list[Any]
) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    services.notify_many(many[4::-1], order_event(), title="t")
    assert announced == [
        {many[0].pk: 1, many[1].pk: 1},
        {many[2].pk: 1, many[3].pk: 1},
        {many[4].pk: 1},
    ]


def test_sweep__more_users_than_a_chunk__sequences_all_in_one_run(many: list[User]) -> None:
    stage(many)
    assert services.sweep().sequenced == len(many)
    assert auditor.problems() == auditor.history_problems() == []


def test_sweep__more_expired_than_a_part__deletes_all_in_one_run(
    many: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "MAX_EXPIRED", 3)
    expiry = timezone.now() + timedelta(minutes=1)
    stage(many[:5], count=4, expires_at=expiry)
    services.sweep()
    with time_machine.travel(expiry), assert_converges(*many[:5]):
        assert services.sweep() == (0, 20)


@pytest.mark.shape("production")
def test_sweep__inboxes_that_somebody_has_locked__are_left_for_the_next_run_and_hold_up_nobody(
    many: list[User],
) -> None:
    ada, grace = many[:2]
    expiry = timezone.now() + timedelta(minutes=1)
    stage([ada, grace], expires_at=expiry)
    services.sweep()
    stage([ada, grace])
    locked, swept = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            services.mark_all_read(ada)
            locked.set()
            assert swept.wait(PATIENCE_SECONDS)

    def sweep_beside() -> Any:
        try:
            assert locked.wait(PATIENCE_SECONDS)
            return services.sweep()
        finally:
            swept.set()

    with time_machine.travel(expiry):
        assert run_together(hold, sweep_beside)[1] == (1, 1)
        assert services.sweep() == (1, 1)
    assert auditor.problems() == auditor.history_problems() == []


@pytest.mark.shape("production")
def test_send__inbox_locked_for_longer_than_the_timeout__is_left_to_the_sweeper(
    ada: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATION_HUB = {"lock_timeout_seconds": 0.05}
    services.open_inbox(ada.pk)
    locked, sent = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            services.mark_all_read(ada)
            Inbox.objects.select_for_update().get(pk=ada.pk)
            locked.set()
            assert sent.wait(PATIENCE_SECONDS)

    def send_beside() -> None:
        try:
            assert locked.wait(PATIENCE_SECONDS)
            send(ada)
            with pytest.raises(OperationalError):
                services.mark_all_read(ada)
        finally:
            sent.set()

    run_together(hold, send_beside)
    assert titles(ada) == []
    assert "the sweeper has them" in caplog.text
    assert services.sweep().sequenced == 1


def test_bad_rows__among_good_ones__are_marked_and_the_rest_is_listed(ada: User, grace: User) -> None:
    stage([ada, grace], title="good 1")
    stage([ada], title="bad", data="[]")
    stage([ada, grace], title="good 2")
    stage([grace], title="bad", level="loud")
    assert services.sweep().sequenced == 6
    assert titles(ada) == titles(grace) == ["good 1", "good 2"]
    assert Notification.objects.filter(failed_at__isnull=False).count() == 2
    assert services.sweep() == (0, 0)


def test_row_that_the_database_refuses__is_found_by_trying_one_by_one_and_stops_nobody(
    ada: User, grace: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = sequencer.LogBatch.create

    def refuse(self: Any, staged: Any, event: Event, provenance: Any = None) -> Any:
        if event.title == "poison":
            raise DataError("out of range")
        return real(self, staged, event, provenance)

    for title in ("first", "poison", "last"):
        stage([ada, grace] if title != "poison" else [ada], title=title)
    monkeypatch.setattr(sequencer.LogBatch, "create", refuse)
    with assert_converges(ada, grace):
        assert services.sequence([ada.pk, grace.pk]) == 5
    assert titles(ada) == titles(grace) == ["first", "last"]
    failed = Notification.objects.get(failed_at__isnull=False)
    assert (failed.event.title, failed.failure) == ("poison", "out of range")
    assert auditor.problems() == auditor.history_problems() == []
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == [
        "ERROR",
        "ERROR",
    ]


@pytest.mark.parametrize("what", ["sequenced", "failed", "deleted"])
def test_staged_row__taken_by_somebody_else_before_the_lock__is_not_listed_again(
    ada: User, grace: User, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = sequencer.create_inboxes
    theirs: list[Notification] = []
    services.open_inbox(ada.pk)

    def meanwhile(user_ids: Any) -> None:
        real(user_ids)
        if not theirs:
            theirs.append(Notification.objects.order_by("pk")[0])
            if what == "sequenced":
                services.sequence([ada.pk])
            elif what == "failed":
                Notification.objects.filter(pk=theirs[0].pk).update(failed_at=timezone.now())
            else:
                Notification.objects.filter(pk=theirs[0].pk).delete()

    for title in ("first", "second"):
        stage([ada, grace], title=title)
    monkeypatch.setattr(sequencer, "create_inboxes", meanwhile)
    with assert_converges(ada, grace):
        services.sequence([ada.pk, grace.pk])
    assert titles(grace) == ["first", "second"]
    assert titles(ada) == (["first", "second"] if what == "sequenced" else ["second"])
    assert auditor.problems() == auditor.history_problems() == []


def test_database_gone_while_sequencing__loses_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(sequencer, "lock_inboxes", fail)
        public_id = send(ada)
    assert titles(ada) == []
    with assert_converges(ada):
        assert services.sweep().sequenced == 1
    assert selectors.get_notification(ada.pk, public_id).position == 1


def test_hook_that_fails__is_logged_and_hurts_neither_the_caller_nor_the_notification(
    ada: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(sequencer, "_sequence", fail)
        send(ada)
    assert "a bug" in caplog.text
    assert services.sweep().sequenced == 1


def test_receiver_of_the_signal_that_fails__hurts_nobody_else(ada: User, announced: list[Any]) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("a bug")

    inbox_changed.connect(fail)
    try:
        send(ada)
    finally:
        inbox_changed.disconnect(fail)
    assert announced == [{ada.pk: 1}]


def test_users_noted_by_a_transaction_that_was_rolled_back__are_no_trouble_to_the_next(
    ada: User, grace: User, announced: list[Any]
) -> None:
    with transaction.atomic():
        send(ada)
        transaction.set_rollback(True)
    send(grace)
    assert announced == [{grace.pk: 1}]
    assert not Change.objects.filter(inbox_id=ada.pk).exists()


def test_user_deleted_between_send_and_commit__stops_nobody(
    ada: User, grace: User, announced: list[Any]
) -> None:
    with transaction.atomic():
        services.notify_many([ada, grace], order_event(), title="t")
        ada_pk = ada.pk
        ada.delete()
    assert announced == [{grace.pk: 1}]
    assert not Inbox.objects.filter(pk=ada_pk).exists()


def test_schedule__of_hours_ago__is_listed_at_once_and_kept_in_staging_order(ada: User) -> None:
    now = timezone.now()
    with transaction.atomic():
        send(ada, "first", deliver_at=now - timedelta(hours=1))
        send(ada, "second")
        send(ada, "third", deliver_at=now - timedelta(hours=2))
    assert titles(ada) == ["first", "second", "third"]


def test_schedule__withdrawn_by_nobody_but_already_expired_when_due__is_created_and_deleted(
    ada: User,
) -> None:
    now = timezone.now()
    send(ada, deliver_at=now + timedelta(minutes=1), expires_at=now + timedelta(minutes=2))
    with time_machine.travel(now + timedelta(minutes=3)), assert_converges(ada):
        assert services.sweep() == (1, 1)
    assert [change["change"] for change in changes_since(ada.pk, 0)] == [
        "notification.created",
        "notification.deleted",
    ]


def test_another_process_sequences_first__its_head_is_announced_here_too(
    ada: User, grace: User, announced: list[dict[Any, int]]
) -> None:
    with transaction.atomic():
        transaction.on_commit(
            lambda: services.sequence([ada.pk])
        )  # as its sweeper would, right after the commit
        send(ada)
        send(grace)
        send(grace)
    assert announced == [{ada.pk: 1}, {grace.pk: 2}, {ada.pk: 1}]
    announced.clear()
    send(ada)
    assert announced == [{ada.pk: 2}]


def test_row_staged_as_read__is_born_read_and_never_counted(ada: User) -> None:
    event = Event.objects.create(type="a.b", title="t")
    staged = Notification.objects.create(
        recipient=ada, event=event, read_at=timezone.now() - timedelta(days=1)
    )
    with assert_converges(ada):
        services.sweep()
    [change] = Change.objects.filter(inbox_id=ada.pk)
    staged.refresh_from_db()
    assert (change.kind, change.unread_count) == ("created", 0)
    assert change.read_at == staged.read_at == change.at
    with assert_converges(ada):
        services.mark_unread(ada, [staged.public_id])
    assert selectors.counts(ada.pk).unread_count == 1
