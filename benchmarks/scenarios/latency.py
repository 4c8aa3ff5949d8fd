"""How soon the first frame of a stream comes, and how soon a committed notification: by wall clock, so only a quiet machine tells."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications.events import UntypedEvent
from notifications.services import notify
from tests.helpers.processes import HubProcess
from tests.helpers.streams import LiveStream

ROUNDS = 200
LIMIT_MS = 250


def measure(run: Run) -> Iterator[Figure]:
    """Streams one after the other, then notifications one after the other to an open stream."""
    rounds = run.size(ROUNDS, 20)
    with hub() as server:
        first = sorted(_first_frame(server, person.cookie) for person in people(rounds))
        yield Figure(name="first frame of a stream, p99", value=_p99(first), unit="ms", limit=LIMIT_MS)
        person = people(1)[0]
        with _stream(server, person.cookie) as stream:
            stream.expect("stream.live", timeout=30)
            sent = sorted(_commit_to_frame(stream, person.pk, number) for number in range(rounds))
        yield Figure(name="from commit to frame, p99", value=_p99(sent), unit="ms", limit=LIMIT_MS)


def _stream(server: HubProcess, cookie: str) -> LiveStream:
    url = f"{server.base_url}/api/v1/notifications/stream"
    return LiveStream(url, headers={"Cookie": cookie}, timeout=30)


def _first_frame(server: HubProcess, cookie: str) -> float:
    began = time.monotonic()
    with _stream(server, cookie) as stream:
        stream.expect("stream.open", timeout=30)
        return 1_000 * (stream.arrived_at[0] - began)


def _commit_to_frame(stream: LiveStream, user_id: object, number: int) -> float:
    count = len(stream.arrived_at)
    notify(user_id, UntypedEvent(type_name="bench.latency.sent", fields={"number": number}), title="Now")
    committed = time.monotonic()
    stream.expect("notification.created", timeout=30)
    return max(0.0, 1_000 * (stream.arrived_at[count] - committed))


def _p99(values: list[float]) -> float:
    return values[math.ceil(0.99 * len(values)) - 1]
