"""A transient event to all connected users, sent by another process: at a steady pace, and a hundred at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.clients import Clients, paced, stream_request
from benchmarks.figures import Figure
from benchmarks.machine import MICRO, cpu_seconds, settle
from benchmarks.people import Person, people
from benchmarks.production import hub
from benchmarks.run import FRAME_BYTES, PER_SECOND, Run
from notifications.event_types import UntypedEvent
from notifications.services import emit
from tests.helpers.processes import HubProcess

# What the frame of the event below has beside its text; the first event shows whether that is still so.
ENVELOPE_BYTES = 178


def measure(run: Run) -> Iterator[Figure]:
    """Twenty a second, then bursts."""
    everybody = people(run.connections)
    with hub() as server, Clients() as clients:
        clients.open(server.port, (stream_request(server.port, person.cookie) for person in everybody))
        settle()
        baseline = run.bare_write()
        used, size = _delivered(
            server, clients, run.events, lambda: _emit_paced(clients, everybody, run.events)
        )
        yield Figure(
            name=f"transient event to {len(everybody)} users, {PER_SECOND}/s, {size} bytes each, per user",
            value=used,
            unit="µs",
            baseline=baseline,
            limit=2,
        )
        used, _ = _delivered(server, clients, run.events, lambda: _emit(everybody, run.events))
        yield Figure(
            name=f"burst of {run.events} transient events, per event and user",
            value=used,
            unit="µs",
            baseline=baseline,
            limit=0.5,
        )


def _delivered(
    server: HubProcess, clients: Clients, events: int, send: Callable[[], None]
) -> tuple[float, int]:
    """Microseconds of the server's CPU for each event at each client, and the bytes that came."""
    frames, size, used = clients.frame_count, clients.byte_count, cpu_seconds(server.pid)
    count = events * len(clients)
    send()
    clients.wait_frames(frames + count)
    return MICRO * (cpu_seconds(server.pid) - used) / count, (clients.byte_count - size) // count


def _emit_paced(clients: Clients, everybody: list[Person], count: int) -> None:
    """Each event only once the one before has come: on a busy machine they would be joined, and seem
    cheap.
    """
    for _ in paced(count, PER_SECOND):
        expected = clients.frame_count + len(clients)
        _emit(everybody, 1)
        clients.wait_frames(expected)


def _emit(everybody: list[Person], count: int) -> None:
    event = UntypedEvent(
        type_name="bench.transient.sent", fields={"text": "x" * (FRAME_BYTES - ENVELOPE_BYTES)}
    )
    for _ in range(count):
        emit([person.pk for person in everybody], event)
