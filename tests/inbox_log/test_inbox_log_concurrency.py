"""Many writers at once: no gap, no deadlock, no wrong counter, and readers that never see half of anything
(I1, I2, I3, I11).
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import payloads, selectors, services
from notifications.exceptions import InvalidInput, NotFound
from notifications.models import Change, Event, Inbox, Notification
from tests.helpers import auditor
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import Client, assert_converged, changes_since, listed
from tests.helpers.together import beside, run_together
from tests.helpers.waiting import wait_until
from tests.helpers.writers import read_all, read_some, send_collapsing, send_one, sweep, work

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 5
ROUNDS = 40


@pytest.fixture(autouse=True)
def nothing_was_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hooks run after the commit log what they could not do; here they could do everything."""
    yield
    assert [
        record.getMessage() for record in caplog.get_records("call") if record.levelno > logging.INFO
    ] == []


@pytest.fixture
def users() -> list[User]:
    return [make_user() for _ in range(USERS)]


def writer(users: list[User], seed: int) -> Callable[[], None]:
    """Does everything in a random order of its own; anything that it raises fails the test."""
    return partial(work, [user.pk for user in users], seed, ROUNDS)


def assert_all_right(users: list[User]) -> None:
    """Nothing is left staged, and every log folds to its list."""
    services.sweep()
    assert not Notification.objects.filter(Notification.STAGED).exists()
    assert not Notification.objects.filter(failed_at__isnull=False).exists()
    assert auditor.problems() == auditor.history_problems() == []
    for user in users:
        assert_converged(Client(), user.pk)


def test_log__written_by_everything_at_once__is_gapless_at_every_moment(users: list[User]) -> None:
    audits, _ = beside(auditor.problems, *(writer(users, seed) for seed in range(6)))
    assert len(audits) > 3
    assert [found for found in audits if found] == []
    assert_all_right(users)
    assert "never" not in Event.objects.values_list("title", flat=True)


def test_log__crossed_sends_to_the_same_users__deadlock_never(users: list[User]) -> None:
    def send_many(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            services.notify_many(dice.sample(users, USERS), order_event(), title="crossed")

    run_together(*(partial(send_many, seed) for seed in range(6)))
    assert_all_right(users)
    heads = Inbox.objects.values_list("head", "unread_count")
    assert set(heads) == {(6 * ROUNDS, 6 * ROUNDS)}


def test_log__one_hot_user__every_send_has_its_own_position(users: list[User]) -> None:
    ada = users[0]
    ids = run_together(*(lambda: [send(ada) for _ in range(ROUNDS)] for _ in range(6)))
    assert Inbox.objects.get().head == 6 * ROUNDS
    created = [change["notification"]["id"] for change in changes_since(ada.pk, 0)]
    assert sorted(created) == sorted(str(public_id) for some in ids for public_id in some)
    # What one process sent one after the other stands in that order.
    for some in ids:
        assert [public_id for public_id in created if public_id in set(map(str, some))] == list(
            map(str, some)
        )
    assert_all_right(users)


def test_inbox__first_touched_by_many_at_once__is_made_once(users: list[User]) -> None:
    ada = users[0]
    touches = (partial(services.open_inbox, ada.pk), partial(send, ada), partial(services.mark_all_read, ada))
    run_together(*touches, *touches)
    assert Inbox.objects.count() == 1
    assert_all_right(users)


def test_sweepers__many_at_once__list_each_notification_once(users: list[User]) -> None:
    event = Event.objects.create(type="orders.order.shipped", title="bulk")
    Notification.objects.bulk_create(
        [Notification(recipient=user, event=event) for user in users for _ in range(20)]
    )
    run_together(*[services.sweep] * 6)
    services.sweep()
    assert Change.objects.count() == 20 * USERS
    assert_all_right(users)


def test_actions__same_one_many_times_at_once__changes_the_log_once(users: list[User]) -> None:
    ada = users[0]
    public_id = send(ada)
    for action in (services.mark_read, services.mark_unread, services.delete):
        outcomes = run_together(*[partial(action, ada, [public_id])] * 4)
        assert sum(outcome.changed for outcome in outcomes) == 1
    assert Inbox.objects.get().head == 4
    assert_all_right(users)


def read_log(user_id: Any) -> list[int]:
    """Any single read of a log: the positions it saw."""
    inbox = services.open_inbox(user_id)
    return [row.position for row in selectors.changes_after(user_id, after=0, up_to=inbox.head, limit=10_000)]


def test_reader__of_a_log_that_grows__always_sees_a_contiguous_run(users: list[User]) -> None:
    ada = users[0]
    reads, _ = beside(partial(read_log, ada.pk), *(writer([ada, *users[1:3]], seed) for seed in range(4)))
    for positions in reads:
        assert positions == list(range(1, len(positions) + 1))
    assert [len(positions) for positions in reads] == sorted(len(positions) for positions in reads)


def test_reader__of_many_logs_at_once__always_sees_contiguous_runs(users: list[User]) -> None:
    start = {user.pk: 0 for user in users}

    def read_all_logs() -> dict[Any, list[int]]:
        logs = selectors.changes_since(start, limit=10_000)
        return {user_id: [row.position for row in rows] for user_id, rows in logs.items()}

    reads, _ = beside(read_all_logs, *(writer(users, seed) for seed in range(4)))
    for logs in reads:
        for positions in logs.values():
            assert positions == list(range(1, len(positions) + 1))


def test_list__read_while_others_write__and_the_changes_after_its_cursor_are_the_final_state(
    users: list[User],
) -> None:
    ada = users[0]
    clients, _ = beside(partial(listed, ada.pk), *(writer(users[:2], seed) for seed in range(4)))
    for client in clients:
        assert client.unread_count == sum(item["read_at"] is None for item in client.items.values())
    for client in (*clients[:: max(1, len(clients) // 20)], clients[-1]):
        assert_converged(client, ada.pk)


def test_counts__read_while_others_write__are_one_snapshot(users: list[User]) -> None:
    ada = users[0]
    services.open_inbox(ada.pk)
    found, _ = beside(partial(selectors.counts, ada.pk), *(writer(users[:2], seed) for seed in range(4)))
    for counts in found:
        assert sum(counts.by_category.values()) == counts.unread_count


def test_change__read_again_later__has_the_same_bytes(users: list[User]) -> None:
    ada = users[0]
    services.open_inbox(ada.pk)

    def read() -> dict[int, bytes]:
        rows = selectors.changes_after(ada.pk, after=0, up_to=10_000, limit=10_000)
        return {row.position: payloads.change_json(row, "abcdefgh") for row in rows}

    reads, _ = beside(read, *(writer(users[:2], seed) for seed in range(4)))
    seen: dict[int, bytes] = {}
    for frames in reads:
        assert frames.items() >= seen.items()
        seen = frames
    assert all(json.loads(frame)["position"] == position for position, frame in seen.items())


def test_user_deleted__while_others_write_to_them__goes_with_all_their_rows(users: list[User]) -> None:
    keys = [user.pk for user in users]

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(ROUNDS):
            with suppress(InvalidInput, NotFound):  # nobody can be told who is gone
                dice.choice((send_one, read_some, read_all, sweep, send_collapsing))(keys, dice)

    def delete() -> None:
        for user in users[1:]:
            changes = Change.objects.filter(inbox_id=user.pk)
            wait_until(lambda changes=changes: changes.count() > 5)  # type: ignore[misc]
            User.objects.get(pk=user.pk).delete()

    run_together(delete, *(partial(write, seed) for seed in range(4)))
    assert set(Notification.objects.values_list("recipient_id", flat=True)) <= {users[0].pk}
    assert_all_right(users[:1])
