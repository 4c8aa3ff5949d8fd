"""`manage.py serve --workers`: several processes on one socket, killed, stopped, restarted and orphaned."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.models import User
from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.factories import make_user, send
from tests.helpers.processes import HubProcess
from tests.helpers.streams import LiveStream, at, complaints, positions
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

# Each starts three processes, on a machine that may be busy.
pytestmark = [pytest.mark.system, pytest.mark.shape("production")]


def workers(hub: HubProcess) -> dict[int, int]:
    """The process id of each worker that serves now, by its number."""
    said = re.findall(r"Worker (\d+) \(process (\d+)\) serves", hub.output())
    return {int(number): int(pid) for number, pid in said}


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_serving(hub: HubProcess, *, beside: Collection[int] = ()) -> dict[int, int]:
    """The workers, once both serve; none of the processes of `beside` may be among them."""
    wait_until(
        lambda: len(found := workers(hub)) == 2 and not set(found.values()) & set(beside),
        timeout=LONG_SECONDS,
        what="two workers that serve",
    )
    return dict(sorted(workers(hub).items()))


@pytest.fixture
def hub(transactional_db: None) -> Iterator[HubProcess]:
    # Short intervals: what one worker misses because of a kill, the other finds soon.
    # A killed worker's streams count for a while, and these clients have no name by which a new one would
    # replace an old one.
    environ = {
        "WEB_CONCURRENCY": "2",
        "HUB_RECONCILE_SECONDS": "1",
        "HUB_SWEEP_SECONDS": "0.5",
        "HUB_MAX_STREAMS_PER_USER": "100",
    }
    with HubProcess(env=environ) as running:
        wait_until(lambda: "with 2 workers" in running.output(), timeout=LONG_SECONDS)
        yield running


def live_streams(hub: HubProcess, user: User, count: int) -> list[LiveStream]:
    streams = [hub.stream(user) for _ in range(count)]
    for stream in streams:
        stream.expect("stream.live")
    return streams


def resumed(hub: HubProcess, user: User, stream: LiveStream) -> LiveStream:
    return hub.stream(user, headers={"Last-Event-ID": stream.ids[-1]})


def follow(hub: HubProcess, user: User, streams: list[LiveStream], position: int) -> None:
    """Take the change of `position` from the last of these streams, or from one that resumes it once it has
    ended.
    """
    wait_until(lambda: streams[-1].ended or position in positions(streams[-1]))
    if position not in positions(streams[-1]):
        streams.append(resumed(hub, user, streams[-1]))
        streams[-1].expect("notification.created", where=at(position))


def wait_replaced(hub: HubProcess, number: int, pid: int) -> None:
    wait_until(
        lambda: workers(hub)[number] != pid, timeout=LONG_SECONDS, what=f"a successor of worker {number}"
    )


def test_workers__each_one_killed__is_replaced_and_its_clients_resume_and_miss_nothing(
    hub: HubProcess, ada: User
) -> None:
    clients = [[stream] for stream in live_streams(hub, ada, 4)]
    for number, killed in wait_serving(hub).items():
        send(ada)
        for streams in clients:
            follow(hub, ada, streams, 2 * number - 1)
        os.kill(killed, signal.SIGKILL)
        send(ada)
        for streams in clients:
            follow(hub, ada, streams, 2 * number)
        wait_replaced(hub, number, killed)
    assert [positions(*streams) for streams in clients] == [[1, 2, 3, 4]] * 4
    assert re.findall(r"Worker (\d) .* was ended by SIGKILL; another one starts in 0 s", hub.output()) == [
        "1",
        "2",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers__stopped__close_every_stream_politely_and_are_gone(
    hub: HubProcess, ada: User, number: signal.Signals
) -> None:
    streams = live_streams(hub, ada, 6)
    pids = wait_serving(hub)
    begun = time.monotonic()
    hub.send_signal(number)
    assert {stream.expect("stream.close").json["reason"] for stream in streams} == {"shutdown"}
    assert [stream.wait_ended() for stream in streams] == ["clean"] * 6
    assert hub.wait() == 0
    assert time.monotonic() - begun <= 16  # six, and a busy machine
    assert [pid for pid in pids.values() if is_alive(pid)] == []
    assert complaints(hub.output()) == []


def test_workers__supervisor_killed__drain_and_leave_no_orphan(hub: HubProcess, ada: User) -> None:
    (stream,) = live_streams(hub, ada, 1)
    pids = wait_serving(hub)
    os.kill(hub.pid, signal.SIGKILL)
    assert stream.expect("stream.close").json["reason"] == "shutdown"
    wait_until(lambda: not any(map(is_alive, pids.values())), what="the end of both workers")


def test_workers__one_that_hangs_at_the_stop__is_killed(hub: HubProcess) -> None:
    pids = wait_serving(hub)
    os.kill(pids[1], signal.SIGSTOP)
    assert hub.stop() == 0
    assert not any(map(is_alive, pids.values()))
    assert "has not ended" in hub.output()


def test_workers__hang_up__replaces_each_by_one_that_serves_already(hub: HubProcess, ada: User) -> None:
    streams = live_streams(hub, ada, 4)
    before = wait_serving(hub)
    hub.send_signal(signal.SIGHUP)
    for stream in streams:
        assert stream.expect("stream.close", timeout=LONG_SECONDS).json["reason"] == "shutdown"
        assert resumed(hub, ada, stream).status == 200
    wait_serving(hub, beside=before.values())
    wait_until(lambda: "Every worker was replaced" in hub.output(), timeout=LONG_SECONDS)
    assert not any(map(is_alive, before.values()))
    assert complaints(hub.output()) == []


def scrape(hub: HubProcess) -> dict[tuple[str, ...], float]:
    """Every sample of the hub's, by its name and the values of its labels, as one worker or the other tells
    it.
    """
    page = httpx.get(f"{hub.base_url}/metrics", trust_env=False, timeout=PATIENCE_SECONDS).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_metrics__of_two_workers__are_one_page_on_which_nothing_goes_back_when_one_is_killed(
    hub: HubProcess, ada: User
) -> None:
    pids = wait_serving(hub)
    streams = live_streams(hub, ada, 6)
    # Until both have streams: which worker takes a connection is the kernel's choice.
    wait_until(lambda: _is_shared(hub, streams), timeout=LONG_SECONDS, what="streams at both workers")
    with hub.client(make_user()) as client:
        unknown = client.get("/api/v1/notifications/stream?after=x&closeafter=live").text
    assert "stream.reset" in unknown
    before = scrape(hub)
    wait_until(lambda: scrape(hub)["hub_streams_open",] == len(streams))
    assert {name[1] for name in before if name[0] == "process_resident_memory_bytes"} == {"1", "2"}
    seen = scrape(hub)
    os.kill(pids[1], signal.SIGKILL)
    wait_until(lambda: sum(stream.ended is not None for stream in streams) > 0)
    wait_replaced(hub, 1, pids[1])
    for _ in range(20):
        now = scrape(hub)
        back = [
            name for name in seen if name[0].endswith(("_total", "_count", "_bucket")) and "hub_" in name[0]
        ]
        assert back
        assert {name: now.get(name) for name in back if now.get(name, -1) < seen[name]} == {}
        seen = now
    open_count = sum(stream.ended is None for stream in streams)
    assert 0 < open_count < len(streams)
    wait_until(lambda: scrape(hub)["hub_streams_open",] == open_count)
    assert scrape(hub)["hub_streams_closed_total", "killed"] == len(streams) - open_count


def _is_shared(hub: HubProcess, streams: list[LiveStream]) -> bool:
    """Whether both workers have opened streams; opens two more until then."""
    records = [json.loads(path.read_text()) for path in counts_folder(hub).glob("*-*.json")]
    if len(records) == 2 and all(record["counts"]["opened"] for record in records):
        return True
    if len(streams) < 40:
        streams += live_streams(hub, make_user(), 2)
    return False


def counts_folder(hub: HubProcess) -> Path:
    """Where the workers of this hub write what they count."""
    arguments = Path(f"/proc/{workers(hub)[2]}/cmdline").read_text().split("\0")
    return Path(arguments[arguments.index("--worker-counts") + 1])
