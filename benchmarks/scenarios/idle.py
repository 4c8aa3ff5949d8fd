"""Streams that are merely open: the CPU of opening one, its memory, and the CPU of many with their
heartbeats.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.clients import Clients, stream_request
from benchmarks.figures import Figure
from benchmarks.machine import cpu_seconds, resident_bytes, settle
from benchmarks.people import people
from benchmarks.production import hub
from benchmarks.run import Run

SOME = 2_000
MANY = 10_000
WATCHED_SECONDS = 45  # three heartbeats of each stream


def measure(run: Run) -> Iterator[Figure]:
    """Open some, then many, then watch them."""
    some, many = run.connections_up_to(SOME), run.connections_up_to(MANY)
    everybody = people(many)
    with hub() as server, Clients() as clients:
        # What the first streams of a process bring with them, such as imports and database connections, is no
        # stream's own.
        clients.open(server.port, [stream_request(server.port, person.cookie) for person in everybody[:50]])
        settle()
        before, memory, opened = cpu_seconds(server.pid), resident_bytes(server.pid), 50
        for count in sorted({some, many}):
            requests = (stream_request(server.port, person.cookie) for person in everybody[opened:count])
            clients.open(server.port, requests)
            if opened == 50:
                used = cpu_seconds(server.pid) - before
                yield Figure(
                    name="opening a stream, CPU", value=1_000 * used / (count - 50), unit="ms", limit=3
                )
            opened = count
            settle(2)
            grown = resident_bytes(server.pid) - memory
            yield Figure(
                name=f"memory of an idle stream, of {count}",
                value=grown / (count - 50) / 1024,
                unit="KB",
                limit=20,
            )
        seconds = run.size(WATCHED_SECONDS, 5)
        before = cpu_seconds(server.pid)
        time.sleep(seconds)
        used = cpu_seconds(server.pid) - before
        yield Figure(
            name=f"{many} open streams with heartbeats, of a core",
            value=100 * used / seconds,
            unit="%",
            limit=10,
        )
