"""Broadcasts by real processes: killed in the middle, another goes on, and everybody is notified exactly once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db.models import Count

from notifications import services
from notifications.models import Broadcast, Notification
from notifications.services import Recipients
from tests.helpers import auditor
from tests.helpers.factories import order_event
from tests.helpers.oracle import assert_converges
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.system

USERS = 1_500
CHUNK = 20
QUICK = {"HUB_SWEEP_SECONDS": "0.1", "HUB_BROADCAST_LEASE_SECONDS": "1", "HUB_MAX_SEQUENCE_CHUNK": str(CHUNK)}


def test_broadcast__process_killed_in_the_middle__is_continued_and_notifies_everybody_once(
    start_hub: Callable[..., HubProcess],
) -> None:
    User.objects.bulk_create([User(username=f"user{number}") for number in range(USERS)])
    users = list(User.objects.order_by("pk"))
    hub = start_hub(env=QUICK)

    def done_count() -> int:
        return Broadcast.objects.get().done_count

    def has_done(count: int) -> Callable[[], bool]:
        return lambda: done_count() >= count

    with assert_converges(users[0], users[USERS // 2], users[-1]):
        services.broadcast(Recipients(everyone=True), order_event(), title="All hands")
        for part in (1, 2):
            wait_until(has_done(part * USERS // 4), timeout=30, what="some chunks")
            hub.kill()
            assert done_count() < USERS
            hub.start()
        wait_until(lambda: Broadcast.objects.get().state == "done", timeout=60, what="the end")
        wait_until(
            lambda: not Notification.objects.filter(Notification.STAGED).exists(),
            timeout=20,
            what="positions",
        )
    assert done_count() == Notification.objects.count() == USERS
    assert not Notification.objects.values("recipient_id").annotate(n=Count("pk")).exclude(n=1).exists()
    assert auditor.problems() == auditor.history_problems() == []
