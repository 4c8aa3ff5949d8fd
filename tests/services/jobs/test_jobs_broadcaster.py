"""Broadcasts: who is notified (each once), how often, by how many statements, and what a crash, a thief or a
bad row does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Count, F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.exceptions import InvalidInput, NotFound
from notifications.inbox_log.compaction import prune_broadcasts
from notifications.models import Broadcast, BroadcastRecipient, Change, Event, Inbox, Notification
from notifications.services import Recipients
from notifications.services.jobs.leases import take_lease
from notifications.serving.routines import Broadcaster
from notifications.signals import inbox_changed
from tests.helpers import auditor
from tests.helpers.factories import make_user, order_event
from tests.helpers.oracle import assert_converges
from tests.helpers.processes import current_database_url
from tests.helpers.together import run_together
from tests.helpers.waiting import LONG_SECONDS, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

broadcasting = importlib.import_module("notifications.services.jobs.broadcaster")

EVERYONE = Recipients(everyone=True)


@pytest.fixture(autouse=True)
def small_chunks(settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 4}


@pytest.fixture
def users() -> list[User]:
    User.objects.bulk_create([User(username=f"user{number}") for number in range(10)])
    return list(User.objects.order_by("pk"))


def start(to: Recipients = EVERYONE, **options: Any) -> Broadcast:
    return services.broadcast(to, order_event(), **({"title": "All hands"} | options))


def run() -> int:
    """Send all that there is; how many chunks that took."""
    count = 0
    while services.run_broadcast_chunk():
        count += 1
        assert count < 100
    return count


def now(job: Broadcast) -> Broadcast:
    return Broadcast.objects.get(pk=job.pk)


def progress(job: Broadcast) -> tuple[Any, ...]:
    job = now(job)
    return job.state, job.total_count, job.done_count, job.failed_count


def notified() -> list[int]:
    """Keys of those who were notified, each as often as they were."""
    return list(Notification.objects.order_by("recipient_id").values_list("recipient_id", flat=True))


def keys(users: list[User]) -> list[int]:
    return [user.pk for user in users]


def test_broadcast__is_asked_for__notifies_nobody_until_its_chunks_run(users: list[User]) -> None:
    job = start()
    assert progress(job) == ("queued", 10, 0, 0)
    assert notified() == []
    with assert_converges(*users):
        assert run() == 4  # chunks of 4, 4 and 2, and one that finds nobody
    assert progress(job) == ("done", 10, 10, 0)
    assert notified() == keys(users)
    assert Event.objects.count() == 1
    assert {selectors.inboxes([user.pk])[user.pk].head for user in users} == {1}
    ended = now(job)
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.created_at <= ended.started_at <= ended.finished_at
    assert ended.rate is None or ended.rate > 0
    assert (ended.lease, ended.leased_until) == (None, None)


def test_broadcast__rolled_back__never_happened(users: list[User]) -> None:
    with transaction.atomic():
        start(Recipients(users=users))
        transaction.set_rollback(True)
    assert run() == 0
    assert not Broadcast.objects.exists()
    assert not Event.objects.exists()


def test_recipients__named_twice_in_groups_inactive_or_gone__are_notified_once_or_not_at_all(
    users: list[User],
) -> None:
    crew = Group.objects.create(name="crew")
    staff = Group.objects.create(name="staff")
    crew.user_set.set(users[2:6])
    staff.user_set.set(users[5:8])
    User.objects.filter(pk=users[3].pk).update(is_active=False)
    to = Recipients(users=[users[2], users[0].pk, str(users[9].pk), users[9], 10**9], groups=[crew, staff.pk])
    wanted = keys([users[number] for number in (0, 2, 4, 5, 6, 7, 9)])
    assert (to.count(), to.count(limit=3), to.keys(limit=100), to.keys(limit=2)) == (7, 3, wanted, wanted[:2])
    job = start(to)
    run()
    assert progress(job) == ("done", 7, 7, 0)
    assert notified() == wanted
    assert not BroadcastRecipient.objects.exists()


@pytest.mark.parametrize("to", [Recipients(), Recipients(groups=[10**6]), Recipients(users=[10**9])])
def test_recipients__nobody__is_done_at_once(users: list[User], to: Recipients) -> None:
    job = start(to)
    assert run() == 1
    assert progress(job) == ("done", 0, 0, 0)


@pytest.mark.parametrize(
    "bad", [{"users": [None]}, {"users": ["ada"]}, {"groups": ["crew"]}, {"groups": [None]}]
)
def test_recipients__that_can_be_none__are_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        Recipients(**bad)


@pytest.mark.parametrize("bad", [{"title": ""}, {"url": "javascript:x"}, {"collapse_key": "x" * 201}])
def test_broadcast__bad_field__is_refused_and_nothing_is_queued(users: list[User], bad: Any) -> None:
    with pytest.raises(InvalidInput):
        start(**bad)
    assert not Broadcast.objects.exists()
    assert not Event.objects.exists()


def test_statements__of_a_chunk__do_not_depend_on_how_many_it_notifies(
    users: list[User], settings: Any
) -> None:
    for user in users:
        services.open_inbox(user.pk)
    start()
    counts = []
    for size in (1, 8):
        settings.NOTIFICATION_HUB = {"max_sequence_chunk": size}
        with CaptureQueriesContext(connection) as captured:
            services.run_broadcast_chunk()
        counts.append(
            len(
                [
                    query
                    for query in captured
                    if query["sql"].startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "("))
                ]
            )
        )
    assert counts[0] == counts[1] <= 15


def test_statements__of_no_broadcast__are_one_that_locks_nothing() -> None:
    with CaptureQueriesContext(connection) as captured:
        assert not services.run_broadcast_chunk()
    assert len(captured) == 1
    assert "UPDATE" not in captured[0]["sql"]


def test_several__take_turns_chunk_by_chunk(users: list[User]) -> None:
    jobs = [start(title=title) for title in ("first", "second", "third")]
    for done in ([4, 0, 0], [4, 4, 0], [4, 4, 4], [8, 4, 4]):
        assert services.run_broadcast_chunk()
        assert [now(job).done_count for job in jobs] == done
    run()
    assert [progress(job) for job in jobs] == [("done", 10, 10, 0)] * 3


def test_everyone__with_users_who_came_since__counts_them_in_all(users: list[User]) -> None:
    job = start()
    User.objects.create(username="late")
    run()
    assert progress(job) == ("done", 11, 11, 0)


def test_schedule_expiry_and_collapse_key__hold_for_each_recipient(users: list[User]) -> None:
    at = timezone.now()
    services.notify_many(users, order_event(), title="old", collapse_key="k")
    start(title="new", collapse_key="k")
    start(title="later", deliver_at=at + timedelta(minutes=1), expires_at=at + timedelta(minutes=2))
    with assert_converges(*users):
        run()

    def titles() -> list[str]:
        return [row.title for row in selectors.list_page(users[9].pk).rows]

    assert titles() == ["new"]
    with time_machine.travel(at + timedelta(seconds=61)):
        services.sweep()
        assert titles() == ["later", "new"]
    with time_machine.travel(at + timedelta(seconds=121)):
        services.sweep()
        assert titles() == ["new"]


def test_cancelled__between_two_chunks__stops_there_and_leaves_what_was_sent(users: list[User]) -> None:
    job = start(Recipients(users=users), owner=users[0].pk)
    services.run_broadcast_chunk()
    with pytest.raises(NotFound):
        services.cancel_broadcast(job.pk, owner_id=users[1].pk)
    assert services.cancel_broadcast(job.pk, owner_id=users[0].pk).state == "cancelled"
    ended_at = now(job).finished_at
    assert services.cancel_broadcast(job.pk).finished_at == ended_at
    assert run() == 0
    assert progress(job) == ("cancelled", 10, 4, 0)
    assert notified() == keys(users[:4])
    assert not BroadcastRecipient.objects.exists()


def test_cancelled__by_its_event__ends_those_under_way_alone(users: list[User]) -> None:
    done, live, other = start(), start(), start()
    Broadcast.objects.filter(pk=done.pk).update(state="done", finished_at=timezone.now())
    assert services.cancel_broadcasts_of([done.event_id, live.event_id]) == 1
    assert [now(job).state for job in (done, live, other)] == ["done", "cancelled", "queued"]


@pytest.fixture
def at_the_end_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What to do once in the middle of a chunk: its rows are written, and nothing is committed."""
    actions: list[Callable[[], Any]] = []
    real = broadcasting._advance

    def advance(*args: Any, **kwargs: Any) -> None:
        if actions:
            actions.pop()()
        real(*args, **kwargs)

    monkeypatch.setattr(broadcasting, "_advance", advance)
    return actions


@pytest.mark.shape("production")  # SQLite has one writer
@pytest.mark.parametrize("state", ["cancelled", "running"])
def test_lease__lost_in_the_middle_of_a_chunk__undoes_the_chunk(
    users: list[User], at_the_end_of_a_chunk: list[Any], state: str
) -> None:
    job = start()

    def lose() -> None:
        if state == "cancelled":
            services.cancel_broadcast(job.pk)
        else:  # it was too slow, and another process has sent the same chunk
            Broadcast.objects.filter(pk=job.pk).update(leased_until=timezone.now())
            assert services.run_broadcast_chunk()

    at_the_end_of_a_chunk.append(lambda: run_together(lose))
    assert services.run_broadcast_chunk()
    assert notified() == (keys(users[:4]) if state == "running" else [])
    run()
    assert notified() == (keys(users) if state == "running" else [])
    assert progress(job) == (("done", 10, 10, 0) if state == "running" else ("cancelled", 10, 0, 0))


def test_lease__of_somebody_who_is_gone__is_waited_for_and_then_taken(users: list[User]) -> None:
    job = start()
    assert take_lease(Broadcast.objects.all()) is not None
    assert run() == 0
    assert take_lease(Broadcast.objects.all()) is None
    Broadcast.objects.filter(pk=job.pk).update(leased_until=F("leased_until") - timedelta(seconds=15))
    assert run() == 4
    assert notified() == keys(users)


def test_processes__at_once_on_several__notify_everybody_of_each_once(users: list[User]) -> None:
    jobs = [start() for _ in range(3)]

    def work() -> None:
        def is_over() -> bool:
            services.run_broadcast_chunk()
            return not Broadcast.objects.filter(Broadcast.LIVE).exists()

        wait_until(is_over, timeout=LONG_SECONDS, what="the end of all broadcasts")

    run_together(work, work, work)
    assert [progress(job) for job in jobs] == [("done", 10, 10, 0)] * 3
    twice = Notification.objects.values("event_id", "recipient_id").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    assert len(notified()) == 30
    assert auditor.problems() == auditor.history_problems() == []


def test_database_away__for_one_chunk__loses_and_repeats_nothing(
    users: list[User], at_the_end_of_a_chunk: list[Any]
) -> None:
    def fail() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    job = start()
    services.run_broadcast_chunk()
    at_the_end_of_a_chunk.append(fail)
    with pytest.raises(OperationalError):
        services.run_broadcast_chunk()
    assert progress(job) == ("running", 10, 4, 0)
    run()
    assert notified() == keys(users)


def test_user_deleted__while_their_chunk_is_written__is_left_out_and_nobody_else(
    users: list[User], at_the_end_of_a_chunk: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start()
    real = broadcasting._next_keys

    def found_before_the_deletion(job: Broadcast) -> list[Any]:
        found: list[Any] = real(job)
        if User.objects.filter(pk=users[1].pk).exists():
            users[1].delete()
        return found

    pk = users[1].pk
    monkeypatch.setattr(broadcasting, "_next_keys", found_before_the_deletion)
    run()
    assert notified() == [user.pk for user in users if user.pk and user.pk != pk]
    assert progress(job) == ("done", 10, 9, 0)


def test_recipient_who_cannot_be_notified__is_counted_and_logged_and_stops_nobody(
    users: list[User], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, keys(users[5:6]))
    job = start()
    run()
    assert notified() == keys(users[:5] + users[6:])
    assert progress(job) == ("done", 10, 9, 1)
    assert f"cannot notify user {users[5].pk}" in caplog.text


def test_chunk_of_whom_nobody_can_be_notified__ends_it_as_failed(
    users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, keys(users[4:]))
    job = start(Recipients(users=users))
    run()
    assert notified() == keys(users[:4])
    assert progress(job) == ("failed", 10, 4, 4)
    assert now(job).failure == "out of range"
    assert not BroadcastRecipient.objects.exists()


def refuse(monkeypatch: pytest.MonkeyPatch, refused: list[int]) -> None:
    real = broadcasting._store

    def store(job: Any, keys: Any) -> None:
        if set(keys) & set(refused):
            raise DataError("out of range")
        real(job, keys)

    monkeypatch.setattr(broadcasting, "_store", store)


def test_owner_or_first_recipient_deleted__their_event_stays_and_the_rest_is_notified(
    users: list[User],
) -> None:
    boss = make_user("boss")
    job = start(owner=boss)
    services.run_broadcast_chunk()
    boss.delete()
    for user in users[:4]:
        user.delete()  # nobody else has been told of the event
    assert run() == 3
    assert progress(job) == ("done", 11, 10, 0)
    assert len(notified()) == 6


def test_retention__removes_broadcasts_that_ended_and_events_that_nobody_was_told_of(
    users: list[User],
) -> None:
    told, _, live = start(), start(Recipients()), start(deliver_at=timezone.now() + timedelta(days=9))
    Broadcast.objects.filter(pk=live.pk).update(leased_until=timezone.now() + timedelta(days=1))
    run()
    assert prune_broadcasts(timezone.now() - timedelta(minutes=1)) == 0
    assert prune_broadcasts(timezone.now() + timedelta(minutes=1)) == 3
    assert list(Broadcast.objects.all()) == [live]
    assert set(Event.objects.values_list("pk", flat=True)) == {told.event_id, live.event_id}


def test_broadcaster__in_a_serving_process__sends_what_is_queued_and_outlives_failures(
    users: list[User], settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NOTIFICATION_HUB = {"sweep_seconds": 0.05, "max_sequence_chunk": 4}
    real, failures = services.run_broadcast_chunk, iter([OperationalError("gone")] * 2)

    def failing_at_first() -> bool:
        for error in failures:
            raise error
        return real()

    monkeypatch.setattr(services, "run_broadcast_chunk", failing_at_first)
    broadcaster = Broadcaster()
    broadcaster.start()
    try:
        job = start()
        wait_until(lambda: now(job).state == "done", what="the end of the broadcast")
    finally:
        broadcaster.stop()
    assert notified() == keys(users)
    assert caplog.text.count("The broadcaster failed") == 1


_OF_ITSELF = {
    "id",
    "public_id",
    "event_id",
    "notification_id",
    "position",
    "created_position",
    "at",
    "created_at",
}


def written(user: User) -> list[dict[str, Any]]:
    """What the last two sends to a user have left, but for what is each row's own."""
    rows = [
        *Notification.objects.filter(recipient=user).order_by("-position").values()[:2],
        *Change.objects.filter(inbox_id=user.pk).order_by("-position").values()[:2],
    ]
    return [{name: value for name, value in row.items() if name not in _OF_ITSELF} for row in rows]


@pytest.mark.shape("production")
def test_listed_directly__is_what_the_sequencer_writes__and_waits_for_nobody(
    users: list[User], settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"lock_timeout_seconds": 0.1}
    told: list[Any] = []
    free, busy, waiting, other = users[:4]
    for user in users[:4]:
        services.open_inbox(user.pk)
    later = timezone.now() + timedelta(hours=1)
    Inbox.objects.filter(pk=free.pk).update(changed_at=later)  # no time ever goes back
    order = order_event()
    about: Any = {"title": "t", "topic": "a", "level": "error", "source": "shop", "expires_at": later}
    services.notify_many(users[:4], order, **about)
    Notification.objects.create(recipient=waiting, event=Event.objects.get())  # staged by somebody else
    with assert_converges(*users[:4]), CaptureQueriesContext(connection) as captured:
        start(Recipients(users=users[:4]), **about)
        with psycopg.connect(current_database_url()) as somebody:
            somebody.execute("SELECT 1 FROM notification_hub_inbox WHERE user_id = %s FOR UPDATE", [busy.pk])
            inbox_changed.connect(note := lambda heads, **_: told.append(heads))
            while services.run_broadcast_chunk():
                pass
            inbox_changed.disconnect(note)
    direct = [query for query in captured if "WITH listed AS" in query["sql"]]
    assert len(direct) == 1
    assert told[0] == {free.pk: 2, other.pk: 2}
    services.sweep()
    assert written(free)[0] == written(free)[1]
    assert written(free)[2] == written(free)[3] | {"unread_count": 2}
    assert [Inbox.objects.get(pk=user.pk).head for user in (free, busy, waiting, other)] == [2, 2, 3, 2]
    assert set(Change.objects.filter(inbox_id=free.pk).values_list("at", "created_at")) == {(later, later)}
    assert auditor.problems() == []
