"""Broadcasts and replays by real processes: killed in the middle, another goes on, and nothing is done twice
or left out.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db.models import Count

from notifications import services
from notifications.models import Broadcast, Notification, Replay
from notifications.selectors.staff.notification_list.criteria import Criteria
from notifications.services import Recipients
from tests.helpers import auditor
from tests.helpers.factories import order_event
from tests.helpers.oracle import assert_converges
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import LONG_SECONDS, wait_until

pytestmark = pytest.mark.system

USERS = 1_500
CHUNK = 20
QUICK = {"HUB_SWEEP_SECONDS": "0.1", "HUB_BROADCAST_LEASE_SECONDS": "1", "HUB_MAX_SEQUENCE_CHUNK": str(CHUNK)}


def test_broadcast__process_killed_in_the_middle__is_continued_and_notifies_everybody_once(
    start_hub: Callable[..., HubProcess],
) -> None:
    users = make_users(USERS)
    hub = start_hub(env=QUICK)
    with assert_converges(users[0], users[USERS // 2], users[-1]):
        services.broadcast(Recipients(everyone=True), order_event(), title="All hands")
        kill_in_the_middle(hub, Broadcast, USERS)
    assert Broadcast.objects.get().done_count == Notification.objects.count() == USERS
    assert not Notification.objects.values("recipient_id").annotate(n=Count("pk")).exclude(n=1).exists()
    assert auditor.problems() == auditor.history_problems() == []


@pytest.mark.shape("production")  # the jobs' code is the same; the kill is tried in both shapes above
def test_replay__process_killed_in_the_middle__is_continued_and_replaces_each_once(
    start_hub: Callable[..., HubProcess],
) -> None:
    users = make_users(USERS)
    root = users[0]
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    services.notify_many(users, order_event(), title="All hands")
    hub = start_hub(env=QUICK)
    with assert_converges(users[0], users[USERS // 2], users[-1]):
        services.start_replay(
            "redeliver",
            services.Selection(criteria=Criteria(category="orders")),
            reason="Nobody saw it.",
            owner=root,
            total_count=USERS,
            provenance=services.Provenance(by="root", via="admin"),
        )
        kill_in_the_middle(hub, Replay, USERS)
    replayed = Notification.objects.exclude(replay_of=None)
    assert Replay.objects.get().done_count == replayed.count() == USERS
    assert replayed.values("replay_of").distinct().count() == USERS
    assert Notification.objects.filter(Notification.LISTED).count() == USERS
    assert auditor.problems() == auditor.history_problems() == []


def make_users(count: int) -> list[User]:
    User.objects.bulk_create([User(username=f"user{number}") for number in range(count)])
    return list(User.objects.order_by("pk"))


def kill_in_the_middle(hub: HubProcess, jobs: type[Broadcast | Replay], total: int) -> None:
    """Kill the hub twice while it works on the one job, and wait for the end."""

    def done_count() -> int:
        return jobs._default_manager.get().done_count

    def has_done(count: int) -> Callable[[], bool]:
        return lambda: done_count() >= count

    for part in (1, 2):
        wait_until(has_done(part * total // 4), timeout=LONG_SECONDS, what="some chunks")
        hub.kill()
        assert done_count() < total
        hub.start()
    wait_until(lambda: jobs._default_manager.get().state == "done", timeout=LONG_SECONDS, what="the end")
    wait_until(
        lambda: not Notification.objects.filter(Notification.STAGED).exists(),
        timeout=LONG_SECONDS,
        what="positions",
    )
