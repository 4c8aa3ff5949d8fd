"""A durable notification to all connected users, sent by another process: the server's CPU from hint to
socket.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.clients import Clients, paced, stream_request
from benchmarks.figures import Figure
from benchmarks.machine import MICRO, cpu_seconds, settle
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications.event_types import UntypedEvent
from notifications.services import notify_many

ROUNDS = 20
PER_SECOND = 2


def measure(run: Run) -> Iterator[Figure]:
    """Two notifications a second to everybody."""
    everybody = people(run.connections)
    rounds = run.size(ROUNDS, 4)
    # The sweeper of the hub would help the sender to sequence; what is asked for begins with the hint.
    with hub(HUB_SWEEP_SECONDS="300") as server, Clients() as clients:
        clients.open(server.port, (stream_request(server.port, person.cookie) for person in everybody))
        settle()
        frames, size = clients.frame_count, clients.byte_count
        used = cpu_seconds(server.pid)
        for number in paced(rounds, PER_SECOND):
            event = UntypedEvent(type_name="bench.durable.sent", fields={"number": number})
            notify_many([person.pk for person in everybody], event, title="A notification to everybody")
        clients.wait_frames(frames + rounds * len(everybody))
        used = cpu_seconds(server.pid) - used
        size = (clients.byte_count - size) // (rounds * len(everybody))
    yield Figure(
        name=f"durable notification to {len(everybody)} users, {size} bytes each, per user",
        value=MICRO * used / (rounds * len(everybody)),
        unit="µs",
        baseline=run.bare_write(size),
        limit=6,
    )
