"""The dashboard on the admin's front page: what it counts, what it costs, and who sees it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import Change, Event, Notification, StreamSession, Worker
from notifications.selectors.staff import activity
from notifications.services import Recipients
from tests.helpers.factories import order_event, send, stage_at
from tests.helpers.staff import client_of, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

INDEX = "/admin/"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


def board(client: Client, span: str = "day") -> dict[str, Any]:
    cache.clear()
    response = client.get(f"{INDEX}?range={span}")
    assert response.status_code == 200
    return dict(response.context["dashboard"])


def test_board__empty__says_so_everywhere(staff: Client) -> None:
    found = board(staff)
    assert found["totals"] == dict.fromkeys(("sent", "live", "read", "unread", "streams"), "0")
    assert all(plot.is_empty for plot in found["plots"])
    assert "nothing in this period" in staff.get(INDEX).content.decode()


def test_board__counts_what_was_sent_read_and_written_live_by_time_and_category(
    staff: Client, ada: User
) -> None:
    ids = [send(ada, str(number), source="shop") for number in range(4)]
    send(ada, event=order_event(type_name="billing.invoice.due"), source="<b>billing</b>")
    services.mark_read(ada, ids[:2])
    worker = Worker.objects.create(host="here", pid=1)
    opened_at = timezone.now() - timedelta(days=2)
    session = StreamSession.objects.create(
        user=ada, worker=worker, epoch="aaaaaaaa", start_position=1, position=3
    )
    StreamSession.objects.filter(pk=session.pk).update(opened_at=opened_at)
    now = timezone.now()
    Change.objects.update(at=now)  # an hour may have ended in between
    Change.objects.filter(position=1).update(at=now - timedelta(hours=5))
    bad = Event.objects.create(type="Bad", title="bad", source="legacy")
    Notification.objects.create(recipient=ada, event=bad)
    services.sequence([ada.pk])
    found = board(staff)
    # Positions 2 and 3 came while the stream was open over them; 1 was before it began.
    assert found["totals"] == {"sent": "5", "live": "2", "read": "2", "unread": "3", "streams": "1"}
    sent, by_category, _read, _streams = found["plots"]
    assert [sum(counts) for _, counts in sent.rows if sum(counts)] == [1, 4], "each in its hour"
    assert {one.label: one.total for one in by_category.series} == {"orders": 4, "billing": 1}
    assert all(0 <= bar.y <= bar.y + bar.height <= sent.height + 2 for bar in sent.bars)
    assert [(one["name"], one["sent"], one["failed"]) for one in found["producers"]] == [
        ("legacy", 0, 1),
        ("shop", 4, 0),
        ("<b>billing</b>", 1, 0),
    ]
    assert board(staff, "hour")["totals"]["sent"] == "4"
    page = staff.get(INDEX).content.decode()
    assert "<b>billing</b>" not in page
    assert "style=" not in page.partition("hub-board")[2].partition("content-related")[0]
    assert found["health"]["layer"].level == "ok"
    assert staff.get(f"{INDEX}?range=%3Cscript%3E").context["dashboard"]["plots"][0].rows[0]


def test_board__names_producers_whose_notifications_take_long_to_be_listed(staff: Client, ada: User) -> None:
    old = timezone.now() - timedelta(seconds=10)
    send(ada, source="quick")
    stage_at(send(ada, source="slow"), old)
    stage_at(send(ada, source="scheduled", deliver_at=timezone.now() - timedelta(seconds=1)), old)
    found = {one["name"]: (one["is_slow"], bool(one["waited"])) for one in board(staff)["producers"]}
    assert found == {"quick": (False, True), "slow": (True, True), "scheduled": (False, False)}


def test_board__of_a_large_log__is_estimated_from_an_even_sample_and_says_so(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = send(ada, "old")
    Change.objects.update(at=timezone.now() - timedelta(days=40))
    for number in range(12):
        send(ada, str(number))
    # Keys that no change has stand for nothing, be they never given out or pruned.
    Change.objects.filter(position__gt=1).update(id=F("id") + 10**9)
    monkeypatch.setattr(activity, "MAX_SAMPLE", 4)
    found = board(staff)
    assert (found["is_estimate"], found["weight"]) == (True, 3)
    # The first and the last stride hold other keys too, so that each of them may meet one of these changes,
    # or none.
    assert found["totals"]["sent"] in ("9", "12", "15")
    assert "one change in 3" in staff.get(INDEX).content.decode()
    assert board(staff, "month")["totals"] == found["totals"], "what is older is not in it"
    assert old is not None


def test_estimate__of_a_log_that_alternates__is_near_the_truth_and_the_same_for_whoever_looks_again(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a log in which each creation is followed by a deletion, or three others, every n-th key meets one
    kind alone.
    """
    monkeypatch.setattr(activity, "MAX_SAMPLE", 1_000)
    services.open_inbox(ada.pk)
    for period in (2, 4):
        Change.objects.all().delete()
        Change.objects.bulk_create(
            Change(
                pk=10_000 + position,
                inbox_id=ada.pk,
                position=position,
                kind="deleted" if position % period else "created",
                at=timezone.now(),
                unread_count=0,
            )
            for position in range(1, 4_001)
        )
        found = board(staff)
        true = 4_000 // period
        estimate = int(found["totals"]["sent"].replace(",", ""))
        assert found["weight"] == 4
        assert abs(estimate - true) < 0.15 * true, (period, estimate)
        assert board(staff)["totals"] == found["totals"]


def test_streams_opened__counts_streams_and_neither_polls_nor_lists(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()

    def record(at: datetime, reason: str = "") -> None:
        StreamSession.objects.create(
            user=ada, epoch="aaaaaaaa", start_position=0, position=0, opened_at=at, reason=reason,
            closed_at=at if reason else None,
        )  # fmt: skip

    def opened_plot() -> int:
        return sum(sum(counts) for _start, counts in board(staff)["plots"][3].rows)

    record(now - timedelta(days=2))
    for reason in ("", "client", "answered", "answered", "listed"):
        record(now - timedelta(hours=1), reason)
    assert opened_plot() == 2
    assert board(staff)["streams_since"] is None
    monkeypatch.setattr(activity, "MAX_RECORDS", 3)
    assert opened_plot() == 0
    assert board(staff)["streams_since"] == now - timedelta(hours=1)
    assert "before that there are too many records to count" in staff.get(INDEX).content.decode()


def test_until_listed__of_a_broadcast__leaves_out_the_time_in_the_broadcasters_queue(
    staff: Client, ada: User
) -> None:
    services.broadcast(Recipients(users=[ada.pk]), order_event(), title="t", source="news")
    Event.objects.update(created_at=timezone.now() - timedelta(minutes=10))  # so long it was queued
    while services.run_broadcast_chunk():
        pass
    assert Change.objects.count() == 1
    assert [(one["name"], one["is_slow"]) for one in board(staff)["producers"]] == [("news", False)]


def test_producers__have_not_sent_what_staff_sent_again(staff: Client, ada: User) -> None:
    root = User.objects.get(username="root")
    public_id = send(ada, source="shop")
    services.start_replay(
        "redeliver",
        services.Selection(ids=[public_id]),
        reason="r",
        owner=root,
        total_count=1,
        provenance=services.Provenance(by="root", via="admin"),
    )
    while services.run_replay_chunk():
        pass
    found = board(staff)
    assert found["totals"]["sent"] == "2"
    assert [(one["name"], one["sent"]) for one in found["producers"]] == [("shop", 1)]


def test_board__costs_no_more_for_more__and_nothing_for_those_who_look_again(
    staff: Client, ada: User
) -> None:
    counts = []
    for _ in range(2):
        for number in range(20):
            send(ada, str(number))
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            staff.get(INDEX)
        counts.append(len(captured))
    assert counts[1] <= counts[0] + 2 <= 40, "the halving takes one look more when there is twice as much"
    with CaptureQueriesContext(connection) as captured:
        staff.get(INDEX)
    assert len(captured) <= 6


def test_board__rights__decide_what_is_on_it(ada: User, staff: Client) -> None:
    root = User.objects.get(username="root")
    services.broadcast(Recipients(everyone=True), order_event(), title="t", owner=root)
    bare = client_of(make_staff("bare", "view_inbox")).get(INDEX)
    assert "dashboard" not in bare.context
    viewer = client_of(make_staff("vera", "view_notification")).get(INDEX)
    assert (viewer.context["jobs"], bool(viewer.context["dashboard"])) == ([], True)
    composer = client_of(make_staff("wim", "view_notification", "compose")).get(INDEX)
    assert [job["name"] for job in composer.context["jobs"]] == ["Broadcast"]
