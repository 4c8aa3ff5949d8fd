"""A send to 100,000 users: recipients a second on PostgreSQL, and the memory of the process that sends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from django.db import connection

from benchmarks.figures import Figure
from benchmarks.machine import resident_bytes
from benchmarks.run import Run
from notifications import services
from notifications.event_types import UntypedEvent
from notifications.services import Recipients

USERS = 100_000
MEGABYTE = 1e6

# Past the services, which would take minutes: users who have had a look at their inbox.
FILL = (
    """INSERT INTO auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name,
                              email, date_joined)
       SELECT 'crowd' || n, '!', false, false, true, '', '', '', now() FROM generate_series(1, %s) g(n)""",
    """INSERT INTO notification_hub_inbox (user_id, epoch)
       SELECT id, translate(left(md5(id::text), 8), '0189', 'wxyz') FROM auth_user WHERE username LIKE %s
       ON CONFLICT DO NOTHING""",
)
# The same rows as one statement for each chunk: what the database alone takes, with its indexes and foreign
# keys.
EVENT = (
    "INSERT INTO notification_hub_event (type, category, title) "
    "VALUES ('bench.bare.sent', 'bench', 'To all of you') RETURNING id"
)
BARE = """
    WITH listed AS (
        INSERT INTO notification_hub_notification (public_id, recipient_id, event_id, type, category,
            position, created_at)
        SELECT gen_random_uuid(), user_id, %s, 'bench.bare.sent', 'bench', head + 1, now()
        FROM notification_hub_inbox WHERE user_id = ANY(%s) RETURNING id, recipient_id, position
    ), moved AS (
        UPDATE notification_hub_inbox SET head = head + 1, unread_count = unread_count + 1, changed_at = now()
        WHERE user_id = ANY(%s) RETURNING user_id, unread_count
    )
    INSERT INTO notification_hub_change (inbox_id, position, kind, at, unread_count, notification_id,
        event_id, created_position, created_at, via)
    SELECT recipient_id, position, 'created', now(), unread_count, id, %s, position, now(), 'producer'
    FROM listed JOIN moved ON user_id = recipient_id"""


def measure(run: Run) -> Iterator[Figure]:
    """The hub's own way, then the bare statements for a fifth of them."""
    count = run.size(USERS, 2_000)
    keys = fill(count)
    pid = os.getpid()
    job = services.broadcast(
        Recipients(everyone=True),
        UntypedEvent(type_name="bench.crowd.sent", fields={"number": 7}),
        title="To all of you",
    )
    services.run_broadcast_chunk()  # what is loaded once is loaded now
    before, most, began_at = resident_bytes(pid), 0, time.perf_counter()
    while services.run_broadcast_chunk():
        most = max(most, resident_bytes(pid))
    took = time.perf_counter() - began_at
    job.refresh_from_db()
    assert job.done_count >= count, job
    yield Figure(
        name=f"a send to {job.done_count:,} users",
        value=job.done_count / took,
        unit="/s",
        limit=15_000,
        at_least=True,
    )
    yield Figure(
        name="its memory at most, beyond that of the first chunk",
        value=(most - before) / MEGABYTE,
        unit="MB",
        limit=10,
    )
    yield Figure(name="its memory afterwards", value=(resident_bytes(pid) - before) / MEGABYTE, unit="MB")
    part = keys[: count // 5]
    yield Figure(name=f"its bare SQL, to {len(part):,}", value=len(part) / bare_seconds(part), unit="/s")


def fill(count: int) -> list[int]:
    """Make the users; their keys."""
    with connection.cursor() as cursor:
        cursor.execute(FILL[0], [count])
        cursor.execute(FILL[1], ["crowd%"])
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT id FROM auth_user WHERE username LIKE %s ORDER BY id", ["crowd%"])
        return [key for (key,) in cursor.fetchall()]


def bare_seconds(keys: list[int]) -> float:
    """How long the bare statements take, in transactions as large as the hub's."""
    began_at = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(EVENT)
        [event_id] = cursor.fetchone()
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            cursor.execute(BARE, [event_id, part, part, event_id])
    return time.perf_counter() - began_at
