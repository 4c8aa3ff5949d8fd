"""What a page, a delta and the counts hold, and by how many statements they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import payloads, selectors, services
from notifications.event_types import UntypedEvent
from notifications.exceptions import NotFound
from notifications.filters import Filters
from notifications.models import Change, Event, Inbox, Notification
from tests.helpers.factories import make_user, send

pytestmark = pytest.mark.django_db(transaction=True)

TYPES = (
    "orders.order.shipped",
    "orders.order_item.shipped",
    "orders.orderXitem.shipped".lower(),
    "sync.job.failed",
)
TOPICS = ("", "order:7", "Straße 😀", "100%", "a_b", 'it\'s "quoted" \\')
LEVELS = ("info", "error")


def fill(user: User, count: int, **options: Any) -> None:
    """Many notifications by one transaction."""
    with transaction.atomic():
        for number in range(count):
            send(user, f"{number}", **options)


def send_every_kind(user: User) -> None:
    with transaction.atomic():
        for type_name in TYPES:
            for topic in TOPICS:
                for level in LEVELS:
                    event = UntypedEvent(type_name=type_name, fields={})
                    services.notify(user, event, title="t", topic=topic, level=level)


def all_pages(user: User, limit: int, **options: Any) -> list[int]:
    """The positions of all pages, as a client walks through them."""
    positions: list[int] = []
    before = None
    while True:
        page = selectors.list_page(user.pk, limit=limit, before=before, **options)
        assert len(page.rows) <= limit
        positions += [row.position for row in page.rows]
        before = page.next_before
        if before is None:
            return positions
        assert before == positions[-1]


@pytest.mark.parametrize("limit", [1, 2, 6, 7, 8, 200])
def test_pages__walked_to_the_end__skip_and_repeat_nothing(ada: User, grace: User, limit: int) -> None:
    fill(ada, 7)
    fill(grace, 3)
    assert all_pages(ada, limit) == [7, 6, 5, 4, 3, 2, 1]


def test_pages__walked_while_others_come_and_go__skip_and_repeat_nothing_that_stayed(ada: User) -> None:
    fill(ada, 9)
    seen = []
    before = None
    for _ in range(3):
        page = selectors.list_page(ada.pk, limit=3, before=before)
        seen += [row.title for row in page.rows]
        before = page.next_before
        send(ada, "new")
        services.delete(ada, [page.rows[0].public_id])
    assert seen == ["8", "7", "6", "5", "4", "3", "2", "1", "0"]
    assert before is None


def test_page__exactly_full__has_no_next(ada: User) -> None:
    fill(ada, 3)
    assert selectors.list_page(ada.pk, limit=3).next_before is None
    assert selectors.list_page(ada.pk, limit=2).next_before == 2


@pytest.mark.parametrize("before", [-(10**30), -1, 0, 1])
def test_page__before_the_first__is_empty_with_cursor_and_count(ada: User, before: int) -> None:
    fill(ada, 2)
    page = selectors.list_page(ada.pk, before=before)
    assert (page.rows, page.next_before, page.cursor.position, page.unread_count) == ([], None, 2, 2)


@pytest.mark.parametrize("before", [3, 2**63 - 1, 2**63, 10**30])
def test_page__before_what_is_to_come__is_the_newest(ada: User, before: int) -> None:
    fill(ada, 2)
    assert [row.position for row in selectors.list_page(ada.pk, before=before).rows] == [2, 1]


def test_page__of_an_empty_inbox__has_its_cursor(ada: User) -> None:
    inbox = services.open_inbox(ada.pk)
    page = selectors.list_page(ada.pk)
    assert page == ([], None, inbox.cursor, 0)


@pytest.mark.parametrize(
    "options", [{"unread_only": True}, {"filters": Filters(topics=frozenset({"none"}))}], ids=str
)
def test_page__that_filters_leave_empty__has_the_cursor_and_count_of_the_whole_inbox(
    ada: User, options: Any
) -> None:
    services.mark_read(ada, [send(ada)])
    page = selectors.list_page(ada.pk, **options)
    assert (page.rows, page.cursor.position, page.unread_count) == ([], 2, 0)


def test_page__and_counts_without_inbox__say_so(ada: User) -> None:
    for read in (selectors.list_page, selectors.counts):
        with pytest.raises(Inbox.DoesNotExist):
            read(ada.pk)


def test_page__leaves_out_staged_failed_deleted_and_foreign_ones(ada: User, grace: User) -> None:
    send(grace)
    kept = send(ada)
    services.delete(ada, [send(ada)])
    send(ada, deliver_at=timezone.now() + timedelta(hours=1))
    bad = Event.objects.create(type="orders.order.shipped", title="bad", data="[]")
    Notification.objects.create(recipient=ada, event=bad)
    services.sweep()
    assert [row.public_id for row in selectors.list_page(ada.pk).rows] == [kept]


def test_page__of_unread_ones__leaves_out_the_read(ada: User) -> None:
    fill(ada, 4)
    rows = selectors.list_page(ada.pk).rows
    services.mark_read(ada, [rows[1].public_id, rows[3].public_id])
    assert all_pages(ada, 1, unread_only=True) == [4, 2]


@pytest.mark.parametrize("name", ["list", "get"])
def test_row__has_the_same_bytes_by_every_way_to_read_it(ada: User, name: str) -> None:
    public_id = send(
        ada, 'Ünïcode 😀 "quoted" \\', topic="Straße", expires_at=timezone.now() + timedelta(hours=1)
    )
    created = selectors.changes_after(ada.pk, after=0, up_to=1, limit=1)[0]
    [since] = selectors.changes_since({ada.pk: 0}, limit=1)[ada.pk]
    row = (
        selectors.list_page(ada.pk).rows[0]
        if name == "list"
        else selectors.get_notification(ada.pk, public_id)
    )
    assert created == since
    frame = payloads.change_json(created, "abcdefgh")
    assert payloads.notification_json(row) in frame
    assert json.loads(frame)["notification"]["title"] == 'Ünïcode 😀 "quoted" \\'


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 21, 2, 3, 4, 567890, UTC),
        datetime(2026, 11, 21, 2, 3, 4, 500, UTC),
        datetime(2026, 11, 21, tzinfo=UTC),
        datetime(999, 1, 2, 3, 4, 5, 600000, UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ],
    ids=str,
)
def test_changes__times_and_ids__are_texts_as_the_wire_has_them(ada: User, at: datetime) -> None:
    public_id, replay_of = send(ada), uuid4()
    Event.objects.update(expires_at=at)
    Notification.objects.update(replay_of=replay_of)
    Change.objects.update(at=at, created_at=at)
    [row] = selectors.changes_after(ada.pk, after=0, up_to=1, limit=1)
    assert (row.at, row.created_at, row.expires_at) == (payloads.timestamp(at),) * 3
    assert (row.public_id, row.replay_of) == (str(public_id), str(replay_of))


def test_get__foreign_deleted_staged_and_unknown__look_the_same(ada: User, grace: User) -> None:
    foreign, gone = send(grace), send(ada)
    staged = send(ada, deliver_at=timezone.now() + timedelta(hours=1))
    services.delete(ada, [gone])
    for public_id in (foreign, gone, staged, uuid4()):
        with pytest.raises(NotFound):
            selectors.get_notification(ada.pk, public_id)


_filters = st.builds(
    Filters,
    categories=st.frozensets(st.sampled_from(["orders", "sync", "order", "none"]), max_size=2),
    types=st.frozensets(st.sampled_from([*TYPES, "orders.order"]), max_size=2),
    type_prefixes=st.lists(
        st.sampled_from(
            ["orders.", "orders.order.", "orders.order_item.", "sync.job.", "o_ders.", "%.", "none."]
        ),
        max_size=2,
    ).map(tuple),
    topics=st.frozensets(
        st.sampled_from([*TOPICS, "order:%", "a%", "aXb", "straße 😀", "STRASSE"]), max_size=2
    ),
    levels=st.frozensets(st.sampled_from([*LEVELS, "warning"]), max_size=2),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=st.lists(_filters, min_size=8, max_size=8))
def test_filters__any_combination__choose_from_list_and_log_what_they_admit_one_by_one(
    chosen: list[Filters],
) -> None:
    ada = make_user()
    send_every_kind(ada)
    head = services.mark_all_read(ada, category="sync").inbox.head
    everything = selectors.list_page(ada.pk, limit=1_000).rows
    for filters in chosen:
        wanted = [row for row in everything if filters.admits(row)]
        assert selectors.list_page(ada.pk, filters=filters, limit=1_000).rows == wanted
        assert all_pages(ada, 5, filters=filters) == [row.position for row in wanted]
        changes = selectors.changes_after(ada.pk, after=0, up_to=head, limit=1_000, filters=filters)
        assert [row.position for row in changes] == [*sorted(row.position for row in wanted), head]
    ada.delete()


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("orders.order_item.", {"orders.order_item.shipped"}),
        ("orders.order.", {"orders.order.shipped"}),
        ("orders.", {"orders.order.shipped", "orders.order_item.shipped", "orders.orderxitem.shipped"}),
        ("%.", set()),
        ("orders.order_.", set()),
    ],
)
def test_type_prefix__underscore_and_percent__mean_themselves(
    ada: User, prefix: str, found: set[str]
) -> None:
    send_every_kind(ada)
    rows = selectors.list_page(ada.pk, filters=Filters(type_prefixes=(prefix,)), limit=200).rows
    assert {row.type for row in rows} == found


def test_counts__by_category__leave_out_read_deleted_and_staged_ones(ada: User, grace: User) -> None:
    sync = UntypedEvent(type_name="sync.job.failed", fields={})
    fill(ada, 3)
    fill(grace, 1)
    send(ada, event=sync)
    read, deleted = send(ada, event=sync), send(ada, event=sync)
    services.mark_read(ada, [read])
    services.delete(ada, [deleted])
    send(ada, deliver_at=timezone.now() + timedelta(hours=1))
    counts = selectors.counts(ada.pk)
    assert counts == (services.open_inbox(ada.pk).cursor, 4, {"orders": 3, "sync": 1})
    services.mark_all_read(ada)
    assert selectors.counts(ada.pk).by_category == {}


def test_changes_after__limit_and_bounds__are_kept(ada: User) -> None:
    fill(ada, 5)

    def positions(**options: Any) -> list[int]:
        return [row.position for row in selectors.changes_after(ada.pk, **options)]

    assert positions(after=0, up_to=5, limit=100) == [1, 2, 3, 4, 5]
    assert positions(after=2, up_to=4, limit=100) == [3, 4]
    assert positions(after=0, up_to=5, limit=2) == [1, 2]
    assert positions(after=5, up_to=5, limit=2) == []
    assert positions(after=10**16 - 1, up_to=5, limit=2) == []


@pytest.mark.parametrize("count", [500, 2_000])
def test_changes_since__of_very_many_users__is_one_statement(ada: User, count: int) -> None:
    User.objects.bulk_create([User(username=f"many{number}") for number in range(count)])
    users = list(User.objects.order_by("pk"))
    for title in ("1", "2", "3"):
        services.notify_many(users, UntypedEvent(type_name="a.b", fields={}), title=title)
    with CaptureQueriesContext(connection) as captured:
        logs = selectors.changes_since({user.pk: user.pk % 5 for user in users}, limit=2)
    assert len(captured) == 1
    expected = {user.pk: [user.pk % 5 + 1, user.pk % 5 + 2][: max(0, 3 - user.pk % 5)] for user in users}
    found = {user_id: [row.position for row in rows] for user_id, rows in logs.items()}
    assert found == {user_id: positions for user_id, positions in expected.items() if positions}


def test_changes_since__nobody_or_unknown_users__has_nothing(ada: User) -> None:
    assert selectors.changes_since({}, limit=5) == {}
    assert selectors.changes_since({ada.pk: 0, ada.pk + 1_000: 0}, limit=5) == {}


def test_moved_inboxes__are_those_of_another_head_or_epoch(ada: User) -> None:
    users = [ada, make_user("grace"), make_user("same")]
    states = [services.open_inbox(user.pk) for user in users]
    epochs = [state.epoch for state in states]
    ids = [user.pk for user in users]
    assert selectors.changed_inboxes([], [], []) == {}
    assert selectors.changed_inboxes([*ids, 10**9], [*epochs, "aaaaaaaa"], [0] * 4) == {}
    send(ada)
    renewed = "aaaaaaaa"
    moved = selectors.changed_inboxes(ids, [epochs[0], renewed, epochs[2]], [0, 0, 0])
    assert moved == selectors.inboxes(ids[:2])
    assert moved[ada.pk].head == 1


def test_statements__of_each_selector__are_one(ada: User) -> None:
    public_id = send(ada, topic="order:7")
    filters = Filters(categories=frozenset({"orders"}), topics=frozenset({"order:7"}))
    now = timezone.now()
    reads: list[Callable[[], Any]] = [
        lambda: selectors.inboxes([ada.pk]),
        lambda: selectors.changed_inboxes([ada.pk], ["aaaaaaaa"], [0]),
        lambda: selectors.list_page(ada.pk),
        lambda: selectors.list_page(ada.pk, filters=filters, unread_only=True, before=9),
        lambda: selectors.get_notification(ada.pk, public_id),
        lambda: selectors.counts(ada.pk),
        lambda: selectors.changes_after(ada.pk, after=0, up_to=1, limit=10),
        lambda: selectors.changes_after(ada.pk, after=0, up_to=1, limit=10, filters=filters),
        lambda: selectors.changes_since({ada.pk: 0}, limit=10),
        lambda: selectors.recipients_with_staged(now, limit=10),
        lambda: selectors.recipients_with_staged(now, after=ada.pk, limit=10),
        lambda: selectors.recipients_with_expired(now, limit=10),
    ]
    for read in reads:
        with CaptureQueriesContext(connection) as captured:
            read()
        assert len(captured) == 1
