"""The past of an inbox: at every position the same list as a client had who folded the log up to there,
before and after compaction.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import payloads, selectors, services
from notifications.exceptions import CursorExpired
from notifications.inbox_log import compaction
from notifications.models import Change, Inbox
from notifications.selectors import past
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import Client, Notification, changes_since

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 60


def live(user: User, seed: int) -> None:
    """Let an inbox see everything that an inbox may see."""
    chosen = random.Random(seed)
    ids = [send(user, "the first")]
    for step in range(STEPS):
        one = chosen.choice(ids)
        match chosen.randrange(8):
            case 0 | 1 | 2:
                event = order_event(
                    step, type_name=chosen.choice(["orders.order.shipped", "news.site.moved"])
                )
                ids.append(send(user, f"number {step}", event=event))
            case 3:
                chosen.choice([services.mark_read, services.archive])(user, [one])
            case 4:
                chosen.choice([services.mark_unread, services.unarchive])(user, [one])
            case 5:
                services.delete(user, [one])
            case 6:
                services.mark_all_read(user, category=chosen.choice(["", "orders", "news"]))
            case _:
                services.mark_all_read(
                    user, up_to=chosen.randrange(1, Inbox.objects.get(pk=user.pk).head + 1)
                )


def folds(user: User) -> dict[int, dict[str, Notification]]:
    """What a client holds at each position, by the protocol's fold alone."""
    client = Client()
    held: dict[int, dict[str, Notification]] = {0: {}}
    for change in changes_since(user.pk, 0):
        client.fold(change)
        held[client.position] = json.loads(json.dumps(client.items))
    return held


def shown(user: User, position: int, *, limit: int = 25) -> list[Notification]:
    """The whole list as it was, page by page."""
    floor = Inbox.objects.get(pk=user.pk).floor
    items: list[Notification] = []
    before = None
    while True:
        page = selectors.past_page(user.pk, floor=floor, position=position, before=before, limit=limit)
        items += [json.loads(payloads.notification_json(row)) for row in page.rows]
        if page.next_before is None:
            assert page.listed_count == len(items)
            assert page.unread_count == sum(item["read_at"] is None for item in items)
            return items
        before = page.next_before


@pytest.mark.parametrize("seed", [1, 2])
def test_past__at_every_position__is_what_a_client_held_before_and_after_compaction(
    ada: User, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(ada, seed)
    held = folds(ada)
    head = max(held)
    assert head > 30

    def check(positions: range) -> None:
        for position in positions:
            expected = sorted(held[position].values(), key=lambda item: -item["position"])
            assert shown(ada, position, limit=7) == expected, position

    check(range(head + 1))
    assert [item for item in shown(ada, head) if item["archived_at"] is None] == [
        json.loads(payloads.notification_json(row)) for row in selectors.list_page(ada.pk, limit=1_000).rows
    ]
    monkeypatch.setattr(compaction, "MIN_KEPT", 9)
    monkeypatch.setattr(compaction, "MAX_DELETED", 0)
    monkeypatch.setattr(past, "_ALL_READS", 2)
    compaction.prune_inbox(ada.pk, timezone.now() + timedelta(seconds=1))
    floor = Inbox.objects.get(pk=ada.pk).floor
    assert floor == head - 9
    check(range(floor, head + 1))


def test_past__costs_the_same_few_queries(ada: User) -> None:
    for number in range(12):
        send(ada, f"number {number}")
    services.mark_all_read(ada)
    with CaptureQueriesContext(connection) as captured:
        selectors.past_page(ada.pk, floor=0, position=13, limit=5)
    assert (
        len(captured) == 6
    )  # unread and time, notifications, their changes, all-read changes, listed, floor


def test_past__compacted_meanwhile__is_not_shown_wrongly(ada: User) -> None:
    send(ada)
    services.mark_all_read(ada)
    Inbox.objects.filter(pk=ada.pk).update(floor=2)
    with pytest.raises(CursorExpired):
        selectors.past_page(ada.pk, floor=0, position=1)


def test_position_at__is_the_newest_at_or_before_the_time(ada: User) -> None:
    services.open_inbox(ada.pk)
    assert selectors.first_change_at(ada.pk) is None
    for _ in range(3):
        send(ada)
    times: list[Any] = list(Change.objects.order_by("position").values_list("at", flat=True))
    assert [selectors.position_at(ada.pk, at) for at in times] == [1, 2, 3]
    assert selectors.position_at(ada.pk, times[0] - timedelta(microseconds=1)) is None
    assert selectors.position_at(ada.pk, times[2] + timedelta(days=1)) == 3
    assert selectors.first_change_at(ada.pk) == times[0]
