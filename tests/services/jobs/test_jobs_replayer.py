"""Replays: which notifications are taken (each once), what becomes of them and who is told; and what a crash
or a lost right does.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import selectors, services
from notifications.exceptions import InvalidInput, NotFound
from notifications.models import Change, Event, Notification, Replay, StreamSession, Worker
from notifications.selectors.staff.notification_list.criteria import Criteria
from notifications.services import Provenance, Selection
from notifications.services.jobs.leases import take_lease
from notifications.signals import notifications_shown_again
from tests.helpers import auditor
from tests.helpers.api import PAY
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import assert_converges, changes_since

pytestmark = pytest.mark.django_db(transaction=True)

replaying = importlib.import_module("notifications.services.jobs.replayer")
ORIGIN = Provenance(by="vera", via="admin", address="203.0.113.9")


@pytest.fixture
def vera() -> User:
    user = make_user("vera", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="replay"))
    return user


@pytest.fixture
def shown() -> Iterator[list[Any]]:
    told: list[Any] = []

    def note(shows: Any, **kwargs: Any) -> None:
        told.extend(shows)

    notifications_shown_again.connect(note)
    yield told
    notifications_shown_again.disconnect(note)


def start(vera: User, verb: str, *ids: UUID, criteria: Criteria | None = None, **options: Any) -> Replay:
    selection = Selection(ids=ids, criteria=criteria or Criteria())
    given: dict[str, Any] = {
        "reason": "She never got it.",
        "total_count": len(ids),
        "provenance": ORIGIN,
    } | options
    return services.start_replay(verb, selection, owner=vera, **given)


def run(job: Replay) -> Replay:
    for _ in range(100):
        if not services.run_replay_chunk(job.pk):
            break
    return Replay.objects.get(pk=job.pk)


def counts(job: Replay) -> tuple[Any, ...]:
    return job.state, job.done_count, job.skipped_count, job.failed_count


def titles(user: User) -> list[str]:
    services.open_inbox(user.pk)
    return [row.title for row in selectors.list_page(user.pk).rows]


def test_redeliver__replaces_it_on_top_unread_in_one_transaction_and_names_who_did(
    ada: User, vera: User
) -> None:
    old, other = send(ada, "old", collapse_key="k", actions=[PAY]), send(ada, "other")
    services.mark_read(ada, [old, other])
    with assert_converges(ada):
        job = run(start(vera, "redeliver", old))
    assert counts(job) == ("done", 1, 0, 0)
    assert titles(ada) == ["old", "other"]
    new = Notification.objects.get(replay_of=old)
    assert (new.read_at, new.collapse_key, new.replay_id) == (None, "k", job.pk)
    created, deleted = Change.objects.order_by("-position")[:2]
    assert (deleted.kind, deleted.reason, created.kind) == ("deleted", "replaced", "created")
    assert created.position == deleted.position + 1
    for change in (deleted, created):
        assert (change.by, change.via, change.address) == ("vera", "admin", "203.0.113.9")
    told = changes_since(ada.pk, deleted.position)[0]["notification"]
    assert (told["replay_of"], told["actions"]) == (str(old), [PAY])
    assert auditor.problems() == []


def test_redeliver__leaves_out_what_is_not_theirs_to_have_again(ada: User, vera: User) -> None:
    kept = [send(ada, "kept"), send(ada, "by user"), send(ada, "by staff")]
    services.delete(ada, [kept[1]])
    services.delete(ada, [kept[2]], reason="staff")
    left = {name: send(ada, name) for name in ("replaced", "withdrawn")}
    services.delete(ada, [left["replaced"]], reason="replaced")
    services.withdraw([left["withdrawn"]])
    left["expired"] = send(ada, "expired", expires_at=timezone.now() + timedelta(hours=1))
    left["scheduled"] = send(ada, "scheduled", deliver_at=timezone.now() + timedelta(hours=9))
    gone = make_user("gone", is_active=False)
    left["inactive"] = send(gone, "inactive")
    ids = [*kept, *left.values()]
    with assert_converges(ada, gone), time_machine.travel(timezone.now() + timedelta(hours=2)):
        job = run(start(vera, "redeliver", *ids))
    assert counts(job) == ("done", 3, len(left), 0)
    assert set(Notification.objects.exclude(replay_of=None).values_list("replay_of", flat=True)) == set(kept)
    # The one that is left out is still in the list: nothing of it was touched.
    assert titles(ada) == ["by staff", "by user", "kept", "expired"]


def test_redeliver__again__brings_no_second_one(ada: User, vera: User) -> None:
    old = send(ada)
    for done in (1, 0):
        assert counts(run(start(vera, "redeliver", old))) == ("done", done, 1 - done, 0)
    assert len(titles(ada)) == 1


def test_copy__each_event_once_to_each_user_who_was_not_sent_it(ada: User, vera: User) -> None:
    grace, linus = make_user("grace"), make_user("linus")
    first = services.notify_many([ada, linus], order_event(), title="shared")
    second = send(ada, "second", actions=[PAY])
    with assert_converges(ada, grace, linus):
        job = run(start(vera, "copy", *first, second, copy_to=[grace, str(linus.pk)]))
    assert counts(job) == ("done", 2, 1, 0)
    assert (titles(grace), titles(linus)) == (["second", "shared"], ["second", "shared"])
    copies = Notification.objects.filter(replay_id=job.pk)
    assert copies.count() == 3
    assert [json.loads(row.actions) for row in selectors.list_page(grace.pk).rows] == [[PAY], []]
    assert set(copies.values_list("replay_of", flat=True)) == {None}, "another user's id is nobody's business"
    assert Event.objects.count() == 2
    assert counts(run(start(vera, "copy", second, copy_to=[grace]))) == ("done", 0, 1, 0)


def test_show__tells_the_streams_of_those_who_are_connected_and_stores_nothing(
    ada: User, vera: User, shown: list[Any]
) -> None:
    grace = make_user("grace")
    ids = [send(ada, "listed"), send(ada, "deleted"), send(grace, "not connected")]
    services.delete(ada, [ids[1]])
    worker = Worker.objects.create(host="here", pid=1)
    StreamSession.objects.create(user=ada, worker=worker, epoch="aaaaaaaa", start_position=0, position=0)
    before = (Change.objects.count(), Notification.objects.count())
    assert counts(run(start(vera, "show", *ids))) == ("done", 1, 2, 0)
    assert shown == [(ada.pk, Notification.objects.get(public_id=ids[0]).pk)]
    assert (Change.objects.count(), Notification.objects.count()) == before


def test_filter__is_walked_by_key_up_to_what_there_was_when_it_was_asked_for(
    ada: User, vera: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    monkeypatch.setattr(replaying, "WINDOW", 3)
    for number in range(7):
        send(ada, f"wanted {number}", topic="site:1")
        send(ada, f"other {number}")
    job = start(vera, "redeliver", criteria=Criteria(topic="site:1"), total_count=7)
    send(ada, "later", topic="site:1")
    with assert_converges(ada):
        job = run(job)
    assert counts(job) == ("done", 7, 0, 0)
    assert titles(ada)[:8] == [*(f"wanted {number}" for number in reversed(range(7))), "later"]
    assert auditor.problems() == auditor.history_problems() == []


def test_filter__where_millions_were_pruned__looks_over_them_at_once(
    ada: User, vera: User, django_assert_max_num_queries: Any
) -> None:
    send(ada, "before", topic="site:1")
    event = Event.objects.create(type="orders.order.shipped", topic="site:1", title="after")
    Notification.objects.bulk_create([Notification(pk=10**10, recipient=ada, event=event)])
    services.sweep()
    job = start(vera, "redeliver", criteria=Criteria(topic="site:1"), total_count=2)
    with django_assert_max_num_queries(80):
        assert counts(run(job)) == ("done", 2, 0, 0)
    assert titles(ada) == ["after", "before"]


def test_chunks__others_go_on_after_a_loss_without_taking_any_twice(
    ada: User, vera: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    ids = [send(ada, str(number)) for number in range(5)]
    job = start(vera, "redeliver", *ids)
    assert services.run_replay_chunk()
    assert take_lease(Replay.objects.all()) is not None
    assert not services.run_replay_chunk(), "somebody has it"
    Replay.objects.filter(pk=job.pk).update(leased_until=timezone.now() - timedelta(seconds=1))

    def lose(real: Callable[..., Any] = replaying._advance) -> Callable[..., Any]:
        def advance(job: Replay, *args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(replaying, "_advance", real)
            Replay.objects.filter(pk=job.pk).update(lease=None)  # as whoever takes it over does
            real(job, *args, **kwargs)

        return advance

    monkeypatch.setattr(replaying, "_advance", lose())
    assert services.run_replay_chunk(), "what it wrote is rolled back"
    assert Notification.objects.exclude(replay_of=None).count() == 2
    Replay.objects.filter(pk=job.pk).update(leased_until=None)
    assert counts(run(job)) == ("done", 5, 0, 0)
    replayed = Notification.objects.exclude(replay_of=None).order_by("pk")
    assert [row.replay_of for row in replayed] == ids


def test_one_that_fails__is_counted_and_stops_no_other(
    ada: User, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [send(ada, str(number)) for number in range(3)]
    real = replaying._store

    def store(job: Replay, rows: Any) -> None:
        if any(row[3] == ids[1] for row in rows):
            raise ValueError("it cannot be")
        real(job, rows)

    monkeypatch.setattr(replaying, "_store", store)
    job = run(start(vera, "redeliver", *ids))
    assert counts(job) == ("done", 2, 0, 1)
    assert job.failure == f"{ids[1]}: it cannot be"


def test_ends__when_it_is_cancelled_or_its_owner_loses_the_right(
    ada: User, vera: User, settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 1}
    ids = [send(ada, str(number)) for number in range(3)]
    cancelled, bereft = start(vera, "redeliver", *ids), start(vera, "redeliver", *ids)
    services.run_replay_chunk(cancelled.pk)
    assert services.cancel_replay(cancelled.pk).state == "cancelled"
    assert counts(run(cancelled)) == ("cancelled", 1, 0, 0)
    vera.user_permissions.clear()
    bereft = run(bereft)
    assert counts(bereft) == ("failed", 0, 0, 0)
    assert "no longer" in bereft.failure
    assert services.cancel_replay(bereft.pk).state == "failed"
    with pytest.raises(NotFound):
        services.cancel_replay(ids[0])


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("reason", {"reason": " \n"}),
        ("reason", {"reason": "x" * 501}),
        ("reason", {"reason": "a\x00"}),
        ("copy_to", {"copy_to": [1]}),
        ("copy_to", {"verb": "copy"}),
        ("copy_to", {"verb": "copy", "copy_to": [10**9]}),
        ("verb", {"verb": "delete"}),
        ("ids", {"ids": [UUID(int=number) for number in range(1_001)]}),
    ],
)
def test_bad_input__is_refused_by_field_and_nothing_is_queued(
    vera: User, field: str, bad: dict[str, Any]
) -> None:
    ids = bad.pop("ids", [UUID(int=1)])
    with pytest.raises(InvalidInput) as refused:
        start(vera, bad.pop("verb", "redeliver"), *ids, **bad)
    assert set(refused.value.errors) == {field}
    assert not Replay.objects.exists()


@pytest.mark.parametrize("verb", ["redeliver", "copy", "show"])
def test_statements__of_a_chunk__do_not_depend_on_how_many_it_takes(
    vera: User, settings: Any, verb: str
) -> None:
    users = [make_user() for _ in range(9)]
    ids = [send(user) for user in users]
    copy_to = [make_user()] if verb == "copy" else []
    job = start(vera, verb, *ids, copy_to=copy_to)
    found = []
    for size in (1, 8):
        settings.NOTIFICATION_HUB = {"max_sequence_chunk": size}
        with CaptureQueriesContext(connection) as captured:
            services.run_replay_chunk(job.pk)
        found.append(
            len(
                [
                    query
                    for query in captured
                    if query["sql"].startswith(("SELECT", "INSERT", "UPDATE", "WITH"))
                ]
            )
        )
    assert found[1] <= found[0] <= 22
    with CaptureQueriesContext(connection) as captured:
        services.run_replay_chunk(UUID(int=1))
    assert len(captured) == 1


def test_retry_failed__lists_what_is_right_now_and_leaves_the_rest(ada: User) -> None:
    event = Event.objects.create(type="Bad", title="bad")
    Notification.objects.create(recipient=ada, event=event)
    services.sequence([ada.pk])
    failed = Notification.objects.get()
    listed = send(ada, "listed")
    assert services.retry_failed([failed.public_id, listed]) == 1
    assert Notification.objects.get(pk=failed.pk).failed_at is not None, "it is as wrong as before"
    Event.objects.filter(pk=event.pk).update(type="good.now")
    with assert_converges(ada):
        assert services.retry_failed(event_id=event.pk) == 1
    assert titles(ada) == ["bad", "listed"]
    assert services.retry_failed(event_id=event.pk) == 0
