"""Every hint is lost: how late notifications are that nothing but the comparison of heads can find."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.clients import paced
from benchmarks.figures import Figure
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from benchmarks.scenarios.latency import open_stream
from notifications.event_types import UntypedEvent
from notifications.services import notify
from tests.helpers.machine.servers import RedisServer

STREAMS = 24
PER_SECOND = 2  # so that commits fall into every part of the time between two comparisons
LIMIT_SECONDS = 8


def measure(run: Run) -> Iterator[Figure]:
    """One notification to each of some streams, whose server listens to a Redis in which nobody speaks."""
    readers = people(run.size(STREAMS, 6))
    with ExitStack() as stack:
        deaf = stack.enter_context(RedisServer())
        server = stack.enter_context(hub(REDIS_URL=deaf.url))
        streams = [stack.enter_context(open_stream(server, person.cookie)) for person in readers]
        for stream in streams:
            stream.expect("stream.live", timeout=30)
        before = [len(stream.arrived_at) for stream in streams]
        committed = []
        for number in paced(len(readers), PER_SECOND):
            event = UntypedEvent(type_name="bench.hints.lost", fields={"number": number})
            notify(readers[number].pk, event, title="Nobody says so")
            committed.append(time.monotonic())
        for stream in streams:
            stream.expect("notification.created", timeout=30)
        late = [
            stream.arrived_at[count] - at
            for stream, count, at in zip(streams, before, committed, strict=True)
        ]
    yield Figure(
        name=f"every hint lost: from commit to frame, the latest of {len(late)}",
        value=max(late),
        unit="s",
        limit=LIMIT_SECONDS,
    )
    yield Figure(
        name="every hint lost: from commit to frame, middle", value=statistics.median(late), unit="s"
    )
