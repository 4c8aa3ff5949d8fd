"""An inbox of a million: the first page and the ten-thousandth, word searches, and what a poll without news
costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import httpx
from django.db import connection

from benchmarks.figures import Figure
from benchmarks.machine import MILLI, cpu_seconds, settle
from benchmarks.people import Person, people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications import selectors, services

ROWS = 1_000_000
PAGE = 25
ROUNDS = 200
POLLS = 1_000

# Past the services, which would take minutes: one event for each notification. All have `order`, one in ten
# `tenth`, and ten `rare`.
EVENTS = """
    INSERT INTO notification_hub_event (type, category, level, title, body)
    SELECT 'bench.reading.sent', 'bench', 'info',
           'Your order number ' || n || ' is on its way' || CASE WHEN n %% 10 = 0 THEN ' tenth' ELSE '' END
               || CASE WHEN n %% %(every)s = 0 THEN ' rare' ELSE '' END,
           'It will be with you within three days; the carrier is number ' || (n %% 977)
    FROM generate_series(1, %(rows)s) g(n)"""
NOTIFICATIONS = """
    INSERT INTO notification_hub_notification (public_id, recipient_id, event_id, type, category, level,
        position, created_at)
    SELECT gen_random_uuid(), %(user)s, id, type, 'bench', level,
           %(head)s + row_number() OVER (ORDER BY id), now()
    FROM notification_hub_event WHERE type = 'bench.reading.sent'"""


def measure(run: Run) -> Iterator[Figure]:
    """Each read again and again; the median of their times, seen by who asks the database."""
    [ada] = people(1)
    rows = run.size(ROWS, 20_000)
    fill(ada, rows)
    first = milliseconds(run, lambda: selectors.list_page(ada.pk))
    deep = milliseconds(run, lambda: selectors.list_page(ada.pk, before=rows // 4))
    yield Figure(name=f"the first page of {rows:,}", value=first, unit="ms")
    yield Figure(
        name=f"page {rows // PAGE // 4:,} from its end", value=deep, unit="ms", baseline=first, limit=1.3
    )
    for word in ("order", "tenth", "rare"):
        value = milliseconds(run, lambda word=word: selectors.list_page(ada.pk, words={word}))  # type: ignore[misc]
        yield Figure(name=f"q={word} in {rows:,}", value=value, unit="ms")
    poll_ms, bare_ms = poll_cpu(run, ada)
    yield Figure(name="a poll that is answered 304, CPU of the server", value=poll_ms, unit="ms", limit=1.5)
    yield Figure(name="a view that does nothing, CPU of the server", value=bare_ms, unit="ms")


def fill(ada: Person, rows: int) -> None:
    """Make the inbox."""
    head = services.open_inbox(ada.pk).head  # other scenarios may have written to it
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, {"rows": rows, "every": rows // 10})
        cursor.execute(NOTIFICATIONS, {"user": ada.pk, "head": head})
        cursor.execute(
            "UPDATE notification_hub_inbox SET head = head + %s, unread_count = unread_count + %s "
            "WHERE user_id = %s",
            [rows, rows, ada.pk],
        )
        cursor.execute("VACUUM ANALYZE")


def milliseconds(run: Run, read: Callable[[], object]) -> float:
    """The median time of a read that was done before."""
    times = []
    for _ in range(run.size(ROUNDS, 20)):
        began_at = time.perf_counter()
        read()
        times.append(time.perf_counter() - began_at)
    return MILLI * statistics.median(times)


def poll_cpu(run: Run, ada: Person) -> tuple[float, float]:
    """What the server spends on one request whose ETag is current, and on one of a bare view, on one
    connection.
    """
    count = run.size(POLLS, 50)
    with (
        hub(
            DJANGO_SETTINGS_MODULE="benchmarks.settings",
            HUB_MAX_REQUESTS_PER_MINUTE="0",
            HUB_SWEEP_SECONDS="300",
        ) as server,
        httpx.Client(base_url=server.base_url, headers={"Cookie": ada.cookie}, trust_env=False) as client,
    ):
        path = "/api/v1/notifications"
        held = {"If-None-Match": client.get(path).headers["ETag"]}

        def cpu_of(path: str, status: int) -> float:
            for _ in range(20):
                client.get(path, headers=held)
            settle()
            used = cpu_seconds(server.pid)
            for _ in range(count):
                assert client.get(path, headers=held).status_code == status
            return MILLI * (cpu_seconds(server.pid) - used) / count

        return cpu_of(path, 304), cpu_of("/bare", 204)
