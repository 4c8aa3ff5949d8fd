"""Streams of a real hub process: prompt, complete, the same in bytes, and gone when the client is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.selectors import changes_after
from tests.helpers.factories import send
from tests.helpers.processes import HubProcess
from tests.helpers.sse import StreamRecord
from tests.helpers.streams import complaints, positions
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def hub(share_hub: Callable[..., HubProcess]) -> HubProcess:
    # A stream that was dropped counts until the server has noticed; how many may be open is not asked here.
    return share_hub(env={"HUB_MAX_STREAMS_PER_USER": "1000"})


def is_kept(seconds: float, measure: Callable[[], float]) -> bool:
    """Whether the 99th percentile of what is measured is within so many seconds, in one of ten rounds: a
    machine that others use, too, is only ever too slow.
    """

    def slow_end() -> float:
        return statistics.quantiles([measure() for _ in range(30)], n=100, method="inclusive")[98]

    return any(slow_end() <= seconds for _ in range(10))


def test_events_path__is_the_same_stream__and_posts_go_to_django(hub: HubProcess, ada: User) -> None:
    with hub.client(ada) as client, client.stream("GET", "/api/v1/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
    with hub.client(ada) as client:
        assert client.post("/api/v1/events").headers["content-type"] != "text/event-stream; charset=utf-8"


def test_first_frame__comes_within_250_ms_and_has_an_id(hub: HubProcess, ada: User) -> None:
    send(ada)

    def seconds_to_open() -> float:
        begun = time.monotonic()
        with hub.stream(ada) as stream:
            opened = stream.expect()
            assert (opened.type, opened.id) == ("stream.open", opened.json["cursor"])
            return stream.arrived_at[0] - begun

    assert is_kept(0.25, seconds_to_open)


def test_commit_of_another_process__is_live_within_250_ms(hub: HubProcess, ada: User) -> None:
    stream = hub.stream(ada)
    stream.expect("stream.live")

    def seconds_to_frame() -> float:
        send(ada)
        committed = time.monotonic()
        created = stream.expect("notification.created")
        return stream.arrived_at[stream.events.index(created)] - committed

    assert is_kept(0.25, seconds_to_frame)
    assert positions(stream) == list(range(1, services.open_inbox(ada.pk).head + 1))


def test_frames__same_bytes_live_resumed_and_polled(hub: HubProcess, ada: User) -> None:
    live = hub.stream(ada)
    live.expect("stream.live")
    public_id = send(ada, 'Ünï "quoted" \u2028', body="two\nlines")
    services.mark_read(ada, [public_id])
    services.mark_unread(ada, [public_id])
    services.mark_all_read(ada)
    services.delete(ada, [public_id])
    live.expect("notification.deleted")
    resumed = hub.stream(ada, "after=earliest&closeafter=live")
    resumed.wait_ended()
    with hub.client(ada) as client:
        epoch = live.ids[0].split("-")[0]
        polled = client.get("/api/v1/notifications/changes", params={"after": f"{epoch}-0"}).text
    frames = [event.data for event in live.events if "position" in event.json]
    assert frames == [event.data for event in resumed.events if "position" in event.json]
    assert len(frames) == len(changes_after(ada.pk, after=0, up_to=9, limit=9)) == 5
    assert all(frame in polled for frame in frames)


def test_many_connects_and_disconnects__leave_nothing_behind(hub: HubProcess, ada: User) -> None:
    staying = hub.stream(ada)
    staying.expect("stream.live")
    complaints_before = complaints(hub.output())

    def open_files() -> int:
        return len(list(Path(f"/proc/{hub.pid}/fd").iterdir()))

    before, threads = open_files(), len(list(Path(f"/proc/{hub.pid}/task").iterdir()))
    for _ in range(150):
        hub.stream(ada).close()
    wait_until(lambda: open_files() <= before + 8, what=f"the {before} open files of before")
    assert len(list(Path(f"/proc/{hub.pid}/task").iterdir())) <= threads + 6
    send(ada)
    staying.expect("notification.created")
    assert complaints(hub.output()) == complaints_before


def test_resume__worker_killed_over_and_over__loses_and_repeats_nothing(hub: HubProcess, ada: User) -> None:
    records: list[StreamRecord] = []
    cursor = "earliest"
    for _ in range(2):
        stream = hub.stream(ada, f"after={cursor}")
        stream.expect("stream.open")
        for _ in range(5):
            send(ada)
        stream.expect("notification.created")
        hub.kill()
        stream.wait_ended()
        records.append(stream)
        cursor = stream.ids[-1]
        send(ada, "While it was down")
        hub.start()
    last = hub.stream(ada, f"after={cursor}&closeafter=live")
    assert last.wait_ended() == "clean"
    assert positions(*records, last) == list(range(1, 13))
