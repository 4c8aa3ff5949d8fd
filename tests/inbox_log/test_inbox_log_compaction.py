"""``manage.py prune_notifications``: the old goes, and whoever folds the log from a usable cursor never
notices.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from notifications import selectors, services
from notifications.exceptions import CursorExpired
from notifications.inbox_log import compaction
from notifications.inbox_log.audit import audit
from notifications.inbox_log.compaction import Pruned, prune_inbox
from notifications.models import Change, Event, Inbox, Notification, Replay, ReplayedNotification
from notifications.signals import inbox_changed
from notifications.streaming.connection.changes import read_log_page
from notifications.streaming.database_threads import in_database_thread
from tests.helpers import auditor
from tests.helpers.api import Api
from tests.helpers.asgi import Streams, send_to
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import Client, assert_converged, assert_converges, changes_since, listed

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("small_steps"),
]

START = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compaction, "MIN_KEPT", 3)
    monkeypatch.setattr(compaction, "MAX_COMPACTED", 4)
    with override_settings(NOTIFICATION_HUB={"retention_days": 30}):
        yield


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("prune_notifications", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def assert_whole(user: User) -> None:
    """Both auditors, the command's and the tests' own, are content."""
    assert not list(audit([user.pk]))
    assert auditor.problems() == auditor.history_problems() == []


def everything() -> list[Any]:
    return [
        list(model.objects.order_by("pk").values_list()) for model in (Event, Notification, Change, Inbox)
    ]


def live_and_age(user: User) -> list[UUID]:
    """Ten changes of the year before, and three of today: some read, some deleted. Returns what is listed."""
    with time_machine.travel(timezone.now() - 365 * DAY, tick=False):
        one, two, three, four = (send(user, f"No {n}") for n in range(4))
        services.mark_read(user, [one])
        services.mark_all_read(user, up_to=2)
        services.delete(user, [three])
        services.mark_unread(user, [one])
        services.mark_all_read(user)
        services.mark_unread(user, [two])
    return [one, two, four, *(send(user, f"New {n}") for n in range(3))]


def test_prune__keeps_everything_by_default(ada: User) -> None:
    live_and_age(ada)
    before = everything()
    with override_settings(NOTIFICATION_HUB={}):
        assert run() == "HUB_RETENTION_DAYS is 0: everything is kept.\n"
    assert everything() == before


def test_prune__deletes_what_is_older_and_tells_why(ada: User) -> None:
    ids = live_and_age(ada)
    heads: list[Any] = []

    def note(*, heads: Any, _all: list[Any] = heads, **kwargs: Any) -> None:
        _all.append(heads)

    inbox_changed.connect(note)
    try:
        with assert_converges(ada):
            printed = run()
    finally:
        inbox_changed.disconnect(note)
    assert set(listed(ada.pk).items) == {str(public_id) for public_id in ids[3:]}
    assert heads == [{ada.pk: 16}]
    deleted = [change for change in changes_since(ada.pk, 13) if change["reason"] == "retention"]
    assert [change["notification"]["id"] for change in deleted] == [str(public_id) for public_id in ids[:3]]
    assert printed.startswith(
        "1 inboxes had old notifications or changes. Notifications deleted: 3. Changes compacted: "
    )
    assert_whole(ada)


def test_prune__deletes_what_is_archived_like_any_other(ada: User) -> None:
    with time_machine.travel(timezone.now() - 365 * DAY, tick=False):
        archived = send(ada)
        services.archive(ada, [archived])
    kept = send(ada)
    with assert_converges(ada):
        run()
    assert list(listed(ada.pk).items) == [str(kept)]
    assert_whole(ada)


def test_prune__compacts_to_the_base_state_and_removes_what_no_change_needs(ada: User) -> None:
    live_and_age(ada)
    pruned = prune_inbox(ada.pk, timezone.now() - 30 * DAY)
    assert Inbox.objects.get().floor == 10
    base = list(Change.objects.filter(position__lte=10).order_by("position").values_list("position", "kind"))
    # The all-read at 9 took "No 3" along, which was created at 4; the two others were marked unread at 8 and
    # 10.
    assert base == [(4, "created"), (8, "unread"), (9, "read_all"), (10, "unread")]
    assert pruned == Pruned(deleted=3, compacted=6, removed=2)
    assert (Notification.objects.count(), Event.objects.count()) == (6, 6)


def test_prune__removes_the_records_of_replays_with_the_notifications_they_took(ada: User) -> None:
    live_and_age(ada)
    job = Replay.objects.create(verb="show", reason="r", by="vera", until_id=0, total_count=13)
    ReplayedNotification.objects.bulk_create(
        ReplayedNotification(replay=job, notification=row) for row in Notification.objects.all()
    )
    run()
    left = ReplayedNotification.objects.values_list("notification_id", flat=True)
    assert 0 < len(left) < 7
    assert set(left) == set(Notification.objects.values_list("pk", flat=True))


def test_prune__again__finds_nothing_until_time_has_passed(ada: User) -> None:
    live_and_age(ada)
    run()
    before = everything()
    assert run().startswith("0 inboxes had old notifications or changes. Notifications deleted: 0.")
    assert everything() == before
    with time_machine.travel(timezone.now() + 31 * DAY, tick=False):
        for _ in range(4):
            send(ada)
        run()
        assert Inbox.objects.get().floor == 16
        assert_whole(ada)
    # Of the first ones and of those that were new then, nothing is left but the deletions that are still
    # young.
    assert Notification.objects.count() == 3 + 4


def test_prune__dry_run__says_the_same_and_changes_nothing(ada: User) -> None:
    live_and_age(ada)
    before = everything()
    said = run("--dry-run")
    assert everything() == before
    assert said == f"A dry run: nothing was changed. {run()}"


def test_prune__few_changes__are_kept_however_old(ada: User) -> None:
    with time_machine.travel(timezone.now() - 365 * DAY, tick=False):
        services.delete(ada, [send(ada)])
        send(ada)
    prune_inbox(ada.pk, timezone.now() - 400 * DAY)
    assert (Inbox.objects.get().floor, Change.objects.count()) == (0, 3)


def test_prune__at_most_so_many_an_inbox_and_run(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MAX_DELETED", 2)
    live_and_age(ada)
    assert [prune_inbox(ada.pk, timezone.now() - 30 * DAY).deleted for _ in range(3)] == [2, 1, 0]


def test_prune__event_of_others__stays(ada: User) -> None:
    grace = make_user("grace")
    with time_machine.travel(timezone.now() - 365 * DAY, tick=False):
        shared = services.notify_many([ada, grace], order_event(), title="both")
        services.delete(ada, shared)
        mine = send(ada)
        services.delete(ada, [mine])
    for _ in range(4):
        send(ada)
    prune_inbox(ada.pk, timezone.now() - 30 * DAY)
    assert not Notification.objects.filter(recipient=ada, public_id__in=[*shared, mine]).exists()
    assert set(Event.objects.filter(title="both").values_list("notifications__recipient", flat=True)) == {
        grace.pk
    }
    assert Event.objects.count() == 1 + 4


def test_prune__all_inboxes__part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    users = [make_user() for _ in range(5)]
    for user in users:
        live_and_age(user)
    send(make_user("young"))
    find = compaction.inboxes_to_prune
    monkeypatch.setattr(
        "notifications.services.retention.inboxes_to_prune",
        lambda cutoff, after=None: find(cutoff, after=after, limit=2),
    )
    assert run().startswith("5 inboxes had old notifications or changes. Notifications deleted: 15.")


def act(user: User, chance: random.Random, sent: list[UUID]) -> None:
    """One thing that happens to an inbox."""
    some = chance.sample(sent, min(2, len(sent)))
    match chance.randrange(10):
        case 8:
            services.archive(user, some)
        case 9:
            services.unarchive(user, some[:1])
        case 0 | 1 | 2:
            event = order_event(type_name=chance.choice(["orders.order.shipped", "sync.run.done"]))
            sent.append(send(user, event=event, collapse_key=chance.choice(["", "one"])))
        case 3:
            services.mark_read(user, some)
        case 4:
            services.mark_unread(user, some)
        case 5:
            services.delete(user, some[:1])
        case 6:
            services.mark_all_read(user, category=chance.choice(["", "orders"]))
        case _:
            services.mark_all_read(user, up_to=chance.randrange(40))


@pytest.mark.parametrize("seed", range(6))
def test_prune__at_any_time__every_usable_cursor_still_folds_to_the_list(ada: User, seed: int) -> None:
    chance, clients = random.Random(seed), [Client()]
    sent: list[UUID] = []
    with time_machine.travel(START, tick=False) as clock:
        for _ in range(80):
            act(ada, chance, sent)
            if chance.random() < 0.2:
                clock.shift(timedelta(days=chance.randrange(20)))
            if chance.random() < 0.2:
                clients.append(listed(ada.pk))
            if chance.random() < 0.15:
                prune_inbox(ada.pk, timezone.now() - 30 * DAY)
            assert_whole(ada)
        floor = Inbox.objects.get().floor
        assert floor > 5
        clients = [client for client in clients if client.position >= floor]
        clients.append(Client(floor=floor))
        for client in clients:
            assert_converged(client, ada.pk)


def test_read__while_the_log_is_compacted__is_refused_and_never_wrong(ada: User) -> None:
    live_and_age(ada)
    prune_inbox(ada.pk, timezone.now() - 30 * DAY)
    newest = str(services.open_inbox(ada.pk).cursor)
    for up_to, limit in ((16, 100), (6, 100), (16, 1)):
        with pytest.raises(CursorExpired) as refused:
            selectors.changes_after(ada.pk, after=5, up_to=up_to, limit=limit)
        assert refused.value.head == newest
    assert [
        row.position for row in selectors.changes_after(ada.pk, after=8, up_to=16, limit=2, floor=10)
    ] == [9, 10]
    assert [row.position for row in selectors.changes_after(ada.pk, after=10, up_to=16, limit=1)] == [11]


# End to end: the polling delta and the stream.


def test_changes__below_the_floor__are_gone_and_at_it_go_on(ada: User) -> None:
    live_and_age(ada)
    run()
    api, inbox = Api(ada), services.open_inbox(ada.pk)
    for position in (0, 1, 9):
        answer = api.get("/changes", {"after": f"{inbox.epoch}-{position}"})
        assert (answer.status, answer.code) == (410, "cursor_expired")
        assert answer.problem["cursor"] == str(inbox.cursor)
    changes = api.get("/changes", {"after": f"{inbox.epoch}-10"}).json["changes"]
    assert [change["position"] for change in changes] == list(range(11, 17))


def test_changes__compacted_between_two_reads_of_a_poll__are_gone(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_and_age(ada)
    read, epoch = selectors.changes_after, services.open_inbox(ada.pk).epoch

    def prune_and_read(*args: Any, **options: Any) -> Any:
        run()
        return read(*args, **options)

    monkeypatch.setattr(selectors, "changes_after", prune_and_read)
    answer = Api(ada).get("/changes", {"after": f"{epoch}-5"})
    assert (answer.status, answer.code) == (410, "cursor_expired")


async def test_stream__below_the_floor__is_reset_and_at_it_resumes(ada: User, streams: Streams) -> None:
    await in_database_thread(live_and_age, ada)
    await in_database_thread(run)
    inbox = await in_database_thread(services.open_inbox, ada.pk)
    below = await streams.answer(ada, f"after={inbox.epoch}-9&closeafter=live")
    assert [event.type for event in below.events] == ["stream.open", "stream.reset", "stream.live"]
    assert below.events[1].json == {"reason": "expired", "cursor": str(inbox.cursor)}
    at_it = await streams.answer(ada, f"after={inbox.epoch}-10&closeafter=live")
    assert at_it.events[0].json["resume"] == "exact"
    assert [event.json["position"] for event in at_it.events[1:-1]] == list(range(11, 17))


async def test_stream__from_the_earliest__folds_the_base_state_to_the_list(
    ada: User, streams: Streams
) -> None:
    await in_database_thread(live_and_age, ada)
    await in_database_thread(run)
    with override_settings(NOTIFICATION_HUB={"max_backlog_page": 2}):
        stream = await streams.answer(ada, "after=earliest&closeafter=live")
    client = Client(floor=10)
    for event in stream.events[1:-1]:
        client.fold(event.json)
    fresh = await in_database_thread(listed, ada.pk)
    assert stream.events[0].json["resume"] == "compacted"
    assert (client.items, client.position) == (fresh.items, fresh.position)


async def test_stream__that_is_live__shows_the_deletions_and_goes_on(ada: User, streams: Streams) -> None:
    await in_database_thread(live_and_age, ada)
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    await in_database_thread(run)
    for position in (14, 15, 16):
        deleted = await stream.expect("notification.deleted")
        assert (deleted.json["position"], deleted.json["reason"]) == (position, "retention")
    await send_to(ada)
    assert (await stream.expect("notification.created")).json["position"] == 17
    assert "stream.reset" not in [event.type for event in stream.events]


@override_settings(NOTIFICATION_HUB={"max_backlog_page": 2, "retention_days": 30})
async def test_stream__whose_backlog_is_compacted_under_it__is_reset_once_and_goes_on(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_database_thread(live_and_age, ada)
    pages: list[Any] = []

    def prune_before_the_third_page(*args: Any, **options: Any) -> Any:
        pages.append(args)
        if len(pages) == 3:
            run()
        return read_log_page(*args, **options)

    monkeypatch.setattr(
        "notifications.streaming.connection.backlog.read_log_page", prune_before_the_third_page
    )
    stream = await streams.open(ada, "after=earliest")
    await stream.expect("stream.live")
    types = [event.type for event in stream.events]
    assert types == ["stream.open", *["notification.created"] * 4, "stream.reset", "stream.live"]
    inbox = await in_database_thread(services.open_inbox, ada.pk)
    assert stream.events[5].json == {"reason": "expired", "cursor": str(inbox.cursor)}
    assert stream.events[5].id == str(inbox.cursor)
    await send_to(ada)
    assert (await stream.expect("notification.created")).json["position"] == 17
