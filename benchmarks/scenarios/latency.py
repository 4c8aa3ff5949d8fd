"""How soon the first frame of a stream comes, and how soon a committed notification: by wall clock, so only a
quiet machine tells.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figures import Figure, p99
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications.event_types import UntypedEvent
from notifications.services import notify
from tests.helpers.processes import HubProcess
from tests.helpers.streams import LiveStream

ROUNDS = 200
LIMIT_MS = 250


def measure(run: Run) -> Iterator[Figure]:
    """Streams one after the other, then notifications one after the other to an open stream."""
    rounds = run.size(ROUNDS, 20)
    with hub() as server:
        first = [_first_frame(server, person.cookie) for person in people(rounds)]
        yield Figure(name="first frame of a stream, p99", value=p99(first), unit="ms", limit=LIMIT_MS)
        person = people(1)[0]
        with open_stream(server, person.cookie) as stream:
            stream.expect("stream.live", timeout=30)
            sent = [commit_to_frame(stream, person.pk, number) for number in range(rounds)]
        yield Figure(name="from commit to frame, p99", value=p99(sent), unit="ms", limit=LIMIT_MS)


def open_stream(server: HubProcess, cookie: str) -> LiveStream:
    """A person's stream."""
    url = f"{server.base_url}/api/v1/notifications/stream"
    return LiveStream(url, headers={"Cookie": cookie}, timeout=30)


def _first_frame(server: HubProcess, cookie: str) -> float:
    began = time.monotonic()
    with open_stream(server, cookie) as stream:
        stream.expect("stream.open", timeout=30)
        return 1_000 * (stream.arrived_at[0] - began)


def commit_to_frame(stream: LiveStream, user_id: object, number: int) -> float:
    """How many milliseconds after its commit a notification comes."""
    count = len(stream.arrived_at)
    notify(user_id, UntypedEvent(type_name="bench.latency.sent", fields={"number": number}), title="Now")
    committed = time.monotonic()
    stream.expect("notification.created", timeout=30)
    return max(0.0, 1_000 * (stream.arrived_at[count] - committed))
