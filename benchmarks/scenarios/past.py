"""The time machine: any position of an inbox of 100,000 changes, as the admin answers it; and what a look of
the live tail costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Final

import httpx
from django.contrib.auth import get_user_model
from django.db import connection

from benchmarks.figures import Figure
from benchmarks.people import Person, people
from benchmarks.production import hub
from benchmarks.run import Run
from notifications import selectors, services

CHANGES = 100_000
ROUNDS = 15
LIMIT_MS = 200
MILLI = 1_000
TYPE: Final = "bench.past.sent"

# Past the services, which would take minutes. Each notification takes two positions: it is created, and then
# something happens to it.
EVENTS = """
    INSERT INTO notification_hub_event (type, category, level, title, body)
    SELECT %(type)s, 'bench', 'info', 'Your order number ' || n || ' is on its way',
           'It will be with you within three days.'
    FROM generate_series(1, %(count)s) g(n)"""
NOTIFICATIONS = """
    INSERT INTO notification_hub_notification (public_id, recipient_id, event_id, type, category, level,
        position, created_at)
    SELECT gen_random_uuid(), %(user)s, id, type, 'bench', level,
           2 * row_number() OVER (ORDER BY id) - 1, now()
    FROM notification_hub_event WHERE type = %(type)s"""
CREATED = """
    INSERT INTO notification_hub_change
        (inbox_id, position, kind, at, unread_count, notification_id, event_id, created_position, created_at)
    SELECT recipient_id, position, 'created', now() - make_interval(secs => %(head)s - position), 1,
           id, event_id, position, now()
    FROM notification_hub_notification WHERE recipient_id = %(user)s"""
# `lively`: most are read, some deleted, and now and then everything is marked read. `emptied`: all are
# deleted in the end.
AFTERWARDS = """
    INSERT INTO notification_hub_change
        (inbox_id, position, kind, at, unread_count, notification_id, event_id, created_position, created_at,
         up_to, reason, read_at)
    SELECT recipient_id, position + 1, kind, now() - make_interval(secs => %(head)s - position - 1), 0,
           CASE kind WHEN 'read_all' THEN NULL ELSE id END,
           CASE kind WHEN 'read_all' THEN NULL ELSE event_id END,
           CASE kind WHEN 'read_all' THEN NULL ELSE position END,
           CASE kind WHEN 'read_all' THEN NULL ELSE created_at END,
           CASE kind WHEN 'read_all' THEN position END, CASE kind WHEN 'deleted' THEN 'user' ELSE '' END,
           CASE kind WHEN 'read' THEN now() - make_interval(secs => %(head)s - position - 1) END
    FROM (SELECT *, CASE WHEN %(emptied)s OR position %% 20 IN (1, 9, 15) THEN 'deleted'
                         WHEN position %% 20 = 11 THEN 'read_all' ELSE 'read' END AS kind
          FROM notification_hub_notification WHERE recipient_id = %(user)s) n"""

DELETED = """
    UPDATE notification_hub_notification n SET deleted_at = c.at FROM notification_hub_change c
    WHERE c.notification_id = n.id AND c.kind = 'deleted' AND n.recipient_id = %(user)s"""


def measure(run: Run) -> Iterator[Figure]:
    """As the slider asks for it, over HTTP, with all that the admin does for a request; the slowest position
    of five, each the median of its rounds.
    """
    staff, ada, grace = people(3)
    get_user_model()._default_manager.filter(pk=staff.pk).update(is_staff=True, is_superuser=True)
    head = run.size(CHANGES, 2_000)
    fill(ada, head, emptied=False)
    fill(grace, head, emptied=True)
    with (
        hub(HUB_SWEEP_SECONDS="300") as server,
        httpx.Client(
            base_url=server.base_url, headers={"Cookie": staff.cookie}, trust_env=False, timeout=30
        ) as client,
    ):
        for name, person in (("lively", ada), ("emptied", grace)):
            times = [page(run, client, person, position) for position in positions(head)]
            yield Figure(
                name=f"any position of {head:,} changes ({name})", value=max(times), unit="ms", limit=LIMIT_MS
            )
    yield Figure(name="a look of the live tail without news", value=look(run), unit="ms")


def positions(head: int) -> list[int]:
    """From one end to the other."""
    return [0, head // 4, head // 2, head * 3 // 4, head]


def page(run: Run, client: httpx.Client, person: Person, position: int) -> float:
    """The median time of what the slider is answered."""
    times = []
    for _ in range(run.size(ROUNDS, 3)):
        began_at = time.perf_counter()
        answer = client.get(f"/admin/notification_hub/inbox/{person.pk}/past/?position={position}&fragment=1")
        times.append(time.perf_counter() - began_at)
        assert answer.status_code == 200
        assert f"Position {position} of" in answer.text
    return MILLI * statistics.median(times)


def look(run: Run) -> float:
    """The median time of the one query that is made some times a second while anybody watches."""
    newest = selectors.newest_change_id()
    times = []
    for _ in range(run.size(200, 20)):
        began_at = time.perf_counter()
        assert selectors.changes_by_id(after=newest, limit=500) == []
        times.append(time.perf_counter() - began_at)
    return MILLI * statistics.median(times)


def fill(person: Person, head: int, *, emptied: bool) -> None:
    """Make an inbox with a log."""
    services.open_inbox(person.pk)
    values = {
        "user": person.pk,
        "head": head,
        "count": head // 2,
        "emptied": emptied,
        "type": f"{TYPE}{person.pk}",
    }
    with connection.cursor() as cursor:
        for statement in (EVENTS, NOTIFICATIONS, CREATED, AFTERWARDS, DELETED):
            cursor.execute(statement, values)
        cursor.execute(
            "UPDATE notification_hub_inbox SET head = %(head)s, changed_at = now() WHERE user_id = %(user)s",
            values,
        )
        cursor.execute("VACUUM ANALYZE")
