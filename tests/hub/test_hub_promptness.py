"""How soon streams open and changes arrive (I9, I10), and a row that nobody can be shown (I18), with real
worker processes.

The bounds leave room for a busy machine; `make bench` has the figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from notifications.models import Change, Event
from tests.helpers.factories import send
from tests.helpers.processes import HubProcess
from tests.helpers.streams import at, positions

pytestmark = [pytest.mark.system, pytest.mark.shape("production")]

CLIENT = UUID(int=7)
StartHub = Callable[..., HubProcess]
# Whatever comes, comes by a hint.
HINTS_ALONE = {"WEB_CONCURRENCY": "2", "HUB_RECONCILE_SECONDS": "300", "HUB_SWEEP_SECONDS": "300"}


def test_first_frame__comes_at_once_and_has_an_id_unless_it_announces_a_reset(
    start_hub: StartHub, ada: User
) -> None:
    hub = start_hub(env=HINTS_ALONE)
    seconds = []
    for number in range(20):
        begun = time.monotonic()
        # One client, so that none of these is beyond the streams that a user may have.
        query = f"client={CLIENT}{'&after=nonsense' if number % 2 else ''}"
        with hub.stream(ada, query) as stream:
            opened = stream.expect("stream.open")
            seconds.append(stream.arrived_at[0] - begun)
            assert (opened.id is None) is (opened.json["resume"] == "reset") is bool(number % 2)
    assert statistics.median(seconds) < 0.5


def test_commit_to_frame__by_hints_alone__is_prompt(start_hub: StartHub, ada: User) -> None:
    hub = start_hub(env=HINTS_ALONE)
    streams = [hub.stream(ada) for _ in range(4)]
    for stream in streams:
        stream.expect("stream.live")
    send(ada)  # the first hint waits for groups to be joined, and a look follows that
    for stream in streams:
        stream.expect("notification.created", where=at(1))
    seconds = []
    for number in range(2, 22):
        send(ada)
        committed = time.monotonic()
        for stream in streams:
            stream.expect("notification.created", where=at(number))
            seconds.append(max(0.0, stream.arrived_at[-1] - committed))
    assert statistics.median(seconds) < 0.5


def test_commit_to_frame__every_hint_lost__is_within_eight_seconds(start_hub: StartHub, ada: User) -> None:
    hub = start_hub(env={"REDIS_URL": ""})
    stream = hub.stream(ada)
    stream.expect("stream.live")

    def seconds_to_frame(number: int) -> float:
        send(ada)
        committed = time.monotonic()
        stream.expect("notification.created", where=at(number))
        return time.monotonic() - committed

    assert any(seconds_to_frame(number) < 8 for number in range(1, 4))


def test_row_that_cannot_be_rendered__hides_only_itself_from_everybody(
    start_hub: StartHub, ada: User
) -> None:
    hub = start_hub()
    for number in range(4):
        send(ada, f"No {number}")
    Change.objects.filter(inbox_id=ada.pk, position=2).update(kind="strange")
    Event.objects.filter(notifications__recipient=ada, notifications__position=3).update(data="no JSON")
    resumed = hub.stream(ada, "after=earliest")
    assert resumed.expect("stream.live").json["replayed"] == 3
    send(ada)
    resumed.expect("notification.created", where=at(5))
    assert positions(resumed) == [1, 3, 4, 5]
    assert resumed.events[2].json["notification"]["data"] == {}
    with hub.client(ada) as client:
        listed = client.get("/api/v1/notifications").json()["results"]
    assert [item["position"] for item in listed] == [5, 4, 3, 2, 1]
