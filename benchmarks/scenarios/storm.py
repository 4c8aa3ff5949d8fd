"""Everybody comes back at once, as after a killed worker: the CPU of a resume, how long it takes, and what a
stream that is open feels of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from benchmarks.clients import FRAMES_WHEN_LIVE, Clients, stream_request
from benchmarks.figures import Figure, p99
from benchmarks.machine import cpu_seconds, settle
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from benchmarks.scenarios.latency import commit_to_frame, open_stream
from notifications import selectors
from notifications.event_types import UntypedEvent
from notifications.services import notify_many

BEHIND = 20  # changes that each client has missed
PAUSE_SECONDS = 0.02


def measure(run: Run) -> Iterator[Figure]:
    """All of them resume after their own cursor, while one stream that was open all the time gets
    notifications.
    """
    bystander, *everybody = people(run.connections + 1)
    for number in range(BEHIND):
        event = UntypedEvent(type_name="bench.storm.missed", fields={"number": number})
        notify_many([person.pk for person in everybody], event, title="While you were away")
    states = selectors.inboxes(person.pk for person in everybody)
    with hub() as server, Clients() as clients, open_stream(server, bystander.cookie) as stream:
        stream.expect("stream.live", timeout=30)
        commit_to_frame(stream, bystander.pk, 0)
        requests = [
            stream_request(server.port, person.cookie, f"after={state.epoch}-{state.head - BEHIND}")
            for person, state in ((person, states[person.pk]) for person in everybody)
        ]
        settle()
        used, began = cpu_seconds(server.pid), time.monotonic()
        storm = threading.Thread(
            target=clients.open,
            args=(server.port, requests),
            kwargs={"frames": BEHIND + FRAMES_WHEN_LIVE, "window": len(requests)},
        )
        storm.start()
        felt: list[float] = []
        while storm.is_alive():
            felt.append(commit_to_frame(stream, bystander.pk, len(felt) + 1))
            time.sleep(PAUSE_SECONDS)
        took = time.monotonic() - began
        used = cpu_seconds(server.pid) - used
        if clients.frame_count < len(requests) * (BEHIND + FRAMES_WHEN_LIVE):
            raise RuntimeError(f"of {len(requests)} clients some were not served: {clients.refused[:1]}")
    count = len(requests)
    yield Figure(
        name=f"storm: {count} resume {BEHIND} changes each, CPU", value=1_000 * used / count, unit="ms"
    )
    yield Figure(name=f"storm: until all {count} are live", value=took, unit="s")
    yield Figure(name="storm: from commit to frame of a bystander, p99", value=p99(felt), unit="ms")
