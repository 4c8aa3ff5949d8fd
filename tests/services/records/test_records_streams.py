"""Streams on record: slots under the inbox lock, replaced clients, signs of life, lost processes, and what is
removed in the end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.exceptions import StreamLimit, UserGone
from notifications.models import EndReason, Inbox, OpenedBy, StreamSession, Worker, new_public_id
from notifications.selectors import InboxState
from notifications.services import NewStream, Progress, retention
from notifications.signals import streams_changed
from notifications.system.processes import identity_of, machine
from tests.helpers.factories import make_token, make_user, send
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker() -> Worker:
    return make_worker()


@pytest.fixture
def told() -> Iterator[list[Any]]:
    """The users of whom everybody was told to look at their streams."""
    users: list[Any] = []

    def note(*, user_ids: list[Any], **kwargs: Any) -> None:
        users.extend(user_ids)

    streams_changed.connect(note)
    yield users
    streams_changed.disconnect(note)


def make_worker(process: str = "") -> Worker:
    made = Worker(host="web-1", pid=7, process=process)
    assert services.write_sign_of_life(made)
    return made


def begin(state: InboxState) -> tuple[str, int]:
    return "none", state.head


def opened(user: User, worker: Worker, **fields: Any) -> UUID:
    """The key of a stream that was let in."""
    new = NewStream(id=new_public_id(), user_id=user.pk, **fields)
    services.open_stream(new, worker, begin)
    return new.id


def row(key: UUID) -> StreamSession:
    return StreamSession.objects.get(pk=key)


def statements(call: Callable[[], Any]) -> int:
    """How many statements a call makes, without those that begin, end and set up its transaction."""
    with CaptureQueriesContext(connection) as captured:
        call()
    frame = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "SELECT set_config")
    return sum(not query["sql"].startswith(frame) for query in captured)


def lose(worker: Worker) -> None:
    """Let a process have been silent for longer than it may."""
    Worker.objects.filter(pk=worker.pk).update(seen_at=Now() - timedelta(seconds=46))


def test_open__puts_all_on_record_and_returns_the_inbox(ada: User, worker: Worker) -> None:
    token = make_token(ada, "read").token
    send(ada)
    new = NewStream(
        id=new_public_id(),
        user_id=ada.pk,
        client=uuid4(),
        agent="Mozilla/5.0 ü",
        address="2001:db8::7",
        opened_by=OpenedBy.TICKET,
        token_id=token.pk,
        filters="category=orders&level=error",
    )
    came = services.open_stream(new, worker, lambda state: ("exact", state.head - 1))
    inbox = Inbox.objects.get(pk=ada.pk)
    assert came == (InboxState(ada.pk, inbox.epoch, 1, 0, 1), [])
    made = row(new.id)
    assert (made.user, made.worker, made.token, made.client) == (ada, worker, token, new.client)
    assert (made.agent, made.address, made.opened_by) == ("Mozilla/5.0 ü", "2001:db8::7", "ticket")
    assert (made.filters, made.resume, made.epoch) == ("category=orders&level=error", "exact", inbox.epoch)
    assert (made.start_position, made.position) == (0, 0)
    assert (made.closed_at, made.reason, made.requested_end) == (None, "", "")
    assert abs(made.opened_at - timezone.now()) < timedelta(minutes=1)
    assert selectors.open_streams(ada.pk) == [made]


def test_open__is_two_trips_to_postgresql__and_few_statements_on_sqlite(ada: User, worker: Worker) -> None:
    services.open_inbox(ada.pk)
    is_one_trip = connection.vendor == "postgresql"
    for client, count in ((None, 5), (uuid4(), 6)):  # with those that begin and end the transaction
        for _ in range(2):
            with CaptureQueriesContext(connection) as captured:
                opened(ada, worker, client=client)
            assert len(captured) == (2 if is_one_trip else count)


def test_open__user_who_is_gone__is_said_so(ada: User, worker: Worker) -> None:
    new = NewStream(id=new_public_id(), user_id=ada.pk)
    ada.delete()
    with pytest.raises(UserGone):
        services.open_stream(new, worker, begin)
    assert not StreamSession.objects.exists()


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 2})
def test_limit__counts_the_users_open_streams_in_living_processes(ada: User, worker: Worker) -> None:
    other = make_worker()
    first, _ = opened(ada, worker), opened(ada, other)
    opened(make_user(), worker)
    with pytest.raises(StreamLimit):
        opened(ada, worker)
    assert StreamSession.objects.filter(user=ada).count() == 2
    services.write_sign_of_life(worker, closed={first: EndReason.CLIENT})
    third = opened(ada, worker)
    with pytest.raises(StreamLimit):
        opened(ada, worker)
    lose(other)
    opened(ada, worker)
    Worker.objects.filter(pk=worker.pk).delete()
    opened(ada, other)
    assert row(third).closed_at is None


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 1})
def test_same_client__replaces_its_stream_at_the_limit__and_nobody_elses(
    ada: User, worker: Worker, told: list[Any]
) -> None:
    client = uuid4()
    stranger = opened(make_user(), worker, client=client)
    first = opened(ada, worker, client=client)
    assert told == []
    new = NewStream(id=new_public_id(), user_id=ada.pk, client=client)
    assert services.open_stream(new, make_worker(), begin).replaced == [first]
    assert told == [ada.pk]
    ended = row(first)
    assert (ended.reason, ended.requested_end) == ("replaced", "replaced")
    assert ended.closed_at is not None
    assert ended.closed_at >= ended.opened_at
    assert row(stranger).closed_at is None
    assert selectors.streams_requested_to_end(worker.pk) == {first: "replaced"}
    with pytest.raises(StreamLimit):
        opened(ada, worker, client=uuid4())
    with pytest.raises(StreamLimit):
        opened(ada, worker)


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 6})
def test_limit__twenty_at_once__lets_six_in(ada: User, worker: Worker) -> None:
    def try_it() -> bool:
        try:
            return bool(opened(ada, worker))
        except StreamLimit:
            return False

    assert sum(run_together(*[try_it] * 20)) == 6
    assert len(selectors.open_streams(ada.pk)) == 6


def test_client__opened_by_many_at_once__is_open_once(ada: User, worker: Worker) -> None:
    client = uuid4()
    run_together(*[lambda: opened(ada, worker, client=client)] * 8)
    (only,) = selectors.open_streams(ada.pk)
    assert only.client == client
    assert StreamSession.objects.filter(reason="replaced").count() == 7


def test_life__writes_progress_and_ends_as_sets(ada: User, worker: Worker) -> None:
    moved, client_gone, slow, still = (opened(ada, worker) for _ in range(4))
    progress = {
        moved: Progress("abcdefgh", 2, 9),
        client_gone: Progress("abcdefgh", 0, 5),
        slow: Progress("bcdefghi", 0, 1),
    }
    closed = {client_gone: EndReason.CLIENT, slow: EndReason.SLOW}
    assert statements(lambda: services.write_sign_of_life(worker, progress=progress, closed=closed)) == 4
    assert [(row(key).epoch, row(key).start_position, row(key).position) for key in progress] == [
        *progress.values()
    ]
    assert [row(key).reason for key in (moved, client_gone, slow, still)] == ["", "client", "slow", ""]
    assert [stream.pk for stream in selectors.open_streams(ada.pk)] == [moved, still]
    assert set(selectors.open_streams_of_worker(worker.pk)) == {moved, still}
    assert statements(lambda: services.write_sign_of_life(worker)) == 1


def test_life__of_a_stream_that_somebody_else_ended__keeps_their_reason_and_time(
    ada: User, worker: Worker, told: list[Any]
) -> None:
    key, others = opened(ada, worker), opened(make_user(), worker)
    assert services.end_streams([key, others, uuid4()], EndReason.REVOKED, user_id=ada.pk) == 1
    assert told == [ada.pk]
    assert services.end_streams([key], EndReason.SHUTDOWN) == 0
    before = row(key)
    assert (before.reason, before.requested_end, row(others).reason) == ("revoked", "revoked", "")
    services.write_sign_of_life(
        worker, progress={key: Progress(before.epoch, 0, 3)}, closed={key: EndReason.REVOKED}
    )
    after = row(key)
    assert (after.closed_at, after.reason, after.position) == (before.closed_at, "revoked", 3)
    assert selectors.streams_requested_to_end(worker.pk) == {}


def test_lost_process__its_streams_are_closed_as_of_its_last_sign_of_life(ada: User, worker: Worker) -> None:
    living = make_worker()
    kept, early, late, new = opened(ada, living), *(opened(ada, worker) for _ in range(3))
    services.end_streams([late], EndReason.REVOKED)
    assert statements(services.close_lost_streams) == 1
    StreamSession.objects.filter(pk=early).update(opened_at=Now() - timedelta(hours=1))
    lose(worker)
    seen_at = Worker.objects.get(pk=worker.pk).seen_at
    assert [stream.pk for stream in selectors.open_streams(ada.pk)] == [kept]
    assert services.close_lost_streams() == 2
    assert services.close_lost_streams() == 0
    assert row(new).closed_at == row(new).opened_at  # after the last sign of life
    assert (row(early).reason, row(early).closed_at) == ("lost", seen_at)
    assert (row(late).reason, row(kept).reason) == ("revoked", "")
    assert Worker.objects.get(pk=worker.pk).ended_at == seen_at


def test_dead_process__its_streams_are_closed_at_once__and_no_others(ada: User) -> None:
    mine = identity_of(os.getpid())
    died = subprocess.Popen(["sleep", "60"])
    dead, crowd = (
        make_worker(identity_of(died.pid)),
        [make_worker(f"{machine()}:{n}:1") for n in range(1, 12)],
    )
    living, elsewhere, unknown = make_worker(mine), make_worker("another-boot/1:7:7"), make_worker()
    keys = [opened(make_user(), worker) for worker in (dead, *crowd, living, elsewhere, unknown)]
    died.kill()
    died.wait()
    assert services.close_streams_of_process("") == 0
    assert services.close_streams_of_process(dead.process) == 1
    assert row(keys[0]).reason == "lost"
    assert services.close_streams_of_dead_processes() == len(crowd)
    assert statements(services.close_streams_of_dead_processes) == 1
    assert [row(key).reason for key in keys[-3:]] == ["", "", ""]


def test_paused_process__opens_its_streams_again_and_only_those(ada: User, worker: Worker) -> None:
    lives, gone, replaced = (opened(ada, worker) for _ in range(3))
    services.end_streams([replaced], EndReason.REPLACED)
    lose(worker)
    assert services.close_lost_streams() == 2
    assert services.write_sign_of_life(worker, closed={gone: EndReason.CLIENT})
    assert services.reopen_streams(worker, [lives, replaced]) == 1
    assert [(row(key).reason, row(key).closed_at is None) for key in (lives, gone, replaced)] == [
        ("", True),
        ("client", False),
        ("replaced", False),
    ]
    assert not services.write_sign_of_life(worker)
    assert [stream.pk for stream in selectors.open_streams(ada.pk)] == [lives]


def test_row_of_a_process__that_vanished__is_made_again(ada: User, worker: Worker) -> None:
    key = opened(ada, worker)
    Worker.objects.all().delete()
    assert selectors.open_streams(ada.pk) == []
    assert services.write_sign_of_life(worker)
    assert [stream.pk for stream in selectors.open_streams(ada.pk)] == [key]
    services.end_worker(worker)
    assert selectors.open_streams(ada.pk) == []


def test_prune__removes_what_was_opened_long_ago_in_parts(
    ada: User, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.services.records.streams.MAX_REMOVED", 2)
    milliseconds = int((timezone.now() - timedelta(days=30, hours=1)).timestamp() * 1000)
    for number in range(3):
        old = UUID(int=(milliseconds + number << 80) | 7 << 76)
        services.open_stream(NewStream(id=old, user_id=ada.pk), worker, begin)
    kept = opened(ada, worker)
    ended, old_worker = make_worker(), make_worker()
    services.end_worker(ended)
    Worker.objects.filter(pk=old_worker.pk).update(ended_at=timezone.now() - timedelta(days=31))
    assert [retention.STREAM_RECORDS.apply() for _ in range(3)] == [2, 1, 0]
    assert [stream.pk for stream in StreamSession.objects.all()] == [kept]
    assert retention.WORKERS.apply() == 1
    assert set(Worker.objects.values_list("pk", flat=True)) == {worker.pk, ended.pk}


def test_deleting_a_user__removes_the_record_and_keeps_others(ada: User, worker: Worker) -> None:
    opened(ada, worker)
    kept = opened(make_user(), worker)
    services.write_sign_of_life(worker, closed={opened(ada, worker): EndReason.CLIENT})
    ada.delete()
    assert [stream.pk for stream in StreamSession.objects.all()] == [kept]


@pytest.mark.shape("production")
def test_ending__waits_for_whoever_has_the_streams_process(ada: User, worker: Worker) -> None:
    """Whoever changes several rows of one process's streams has the process's own row first."""
    keys = [opened(ada, worker) for _ in range(2)]
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type "
        "= 'Lock'"
    )
    with ThreadPoolExecutor(1) as pool:

        def end() -> int:
            try:
                return services.end_streams(keys, EndReason.REVOKED)
            finally:
                connection.close()

        with transaction.atomic():
            Worker.objects.select_for_update().get(pk=worker.pk)
            ending = pool.submit(end)

            def is_settled() -> bool:
                with connection.cursor() as cursor:
                    cursor.execute(waiting)
                    return bool(cursor.fetchone()[0]) or ending.done()

            wait_until(is_settled)
            assert not ending.done()
        assert ending.result(PATIENCE_SECONDS) == 2


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 100})
def test_deleting_users__beside_signs_of_life_and_ends__nobody_deadlocks(worker: Worker) -> None:
    users = [make_user() for _ in range(4)]
    keys = [opened(user, worker) for _ in range(40) for user in users]

    def live() -> None:
        for number in range(20):
            services.write_sign_of_life(
                worker, progress={key: Progress("abcdefgh", 0, number) for key in reversed(keys)}
            )

    def end() -> None:
        for number in range(0, len(keys), 8):
            services.end_streams(keys[number : number + 8], EndReason.REVOKED)

    run_together(live, live, end, *(user.delete for user in users))
    assert not StreamSession.objects.exists()
