"""Two million notifications in the admin: the server's time for each list, filter and search page, and for
each other page.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import override_settings

from benchmarks.figures import Figure
from benchmarks.people import people
from benchmarks.run import Run
from notifications.models import Notification

EVENTS = 1_000_000
USERS = 1_000
TOGETHER = 1_000_000  # recipients of the one event that went to very many
LIMIT_MS = 150.0
CROWD = 100_000  # users more, who have an inbox, and three streams on record
ADMIN = "/admin/notification_hub/"
LIST = f"{ADMIN}notification/"
_SEED = """
INSERT INTO notification_hub_inbox (user_id, epoch, head, floor, unread_count)
SELECT id, substr(translate(md5(id::text), '0189', 'xyzw'), 1, 8), 0, 0, 0 FROM auth_user
ON CONFLICT DO NOTHING;
INSERT INTO notification_hub_event
    (type, category, topic, level, title, body, url, actor, data, source, producer_id, created_at)
SELECT (ARRAY['orders.order.shipped', 'orders.order.paid', 'billing.invoice.made', 'deploys.run.done',
              'news.item.new'])[1 + n %% 5],
       (ARRAY['orders', 'orders', 'billing', 'deploys', 'news'])[1 + n %% 5],
       CASE WHEN n %% 3 = 0 THEN 'order:' || n / 30 ELSE '' END,
       CASE WHEN n %% 1000 = 0 THEN 'error' WHEN n %% 50 = 0 THEN 'warning' ELSE 'info' END,
       'Order ' || n || ' is on its way', 'It left the house ' || md5(n::text), '/orders/' || n || '/',
       'shop', '{}', 'seed',
       CASE WHEN n %% 400 = 0 THEN %(producer)s END, now() - make_interval(secs => (%(events)s - n) * 8)
FROM generate_series(1, %(events)s) AS n;
-- Retired long ago: what a walk from the newest would never reach.
UPDATE notification_hub_event SET type = 'legacy.report.made', category = 'legacy'
WHERE id <= (SELECT min(id) FROM notification_hub_event) + %(events)s / 10;
INSERT INTO notification_hub_notification
    (public_id, recipient_id, event_id, type, category, topic, level, position, created_at, read_at)
SELECT gen_random_uuid(), (%(users)s::int[])[1 + id %% %(count)s], id, type, category, topic, level, id,
       created_at,
       CASE WHEN id %% 3 = 0 THEN created_at END
FROM notification_hub_event ORDER BY id;
-- The log of a few is enough for the page of one.
INSERT INTO notification_hub_change
    (inbox_id, position, kind, at, unread_count, notification_id, event_id, created_position, created_at)
SELECT recipient_id, position, 'created', created_at, 0, id, event_id, position, created_at
FROM notification_hub_notification ORDER BY id LIMIT 10000;
INSERT INTO notification_hub_event (type, category, title, created_at)
VALUES ('news.house.open', 'news', 'To everybody', now() - interval '1 hour');
INSERT INTO notification_hub_notification
    (public_id, recipient_id, event_id, type, category, position, created_at)
SELECT gen_random_uuid(), (%(users)s::int[])[1 + n %% %(count)s],
       currval(pg_get_serial_sequence('notification_hub_event', 'id')),
       'news.house.open', 'news', 10000000 + n, now()
FROM generate_series(1, %(together)s) AS n;
"""
_CROWD = """
INSERT INTO auth_user
    (username, password, is_superuser, is_staff, is_active, first_name, last_name, email, date_joined)
SELECT 'crowd' || n, '!', false, false, true, '', '', '', now() FROM generate_series(1, %(crowd)s) AS n;
INSERT INTO notification_hub_inbox (user_id, epoch, head, floor, unread_count)
SELECT id, substr(translate(md5(id::text), '0189', 'xyzw'), 1, 8), 7, 0, id %% 3 FROM auth_user
WHERE username LIKE 'crowd%%';
INSERT INTO notification_hub_worker (id, host, pid, started_at, seen_at)
    VALUES (gen_random_uuid(), 'bench', 1, now(), now() + interval '1 hour');
-- One of each 50 is open still.
INSERT INTO notification_hub_streamsession
    (id, user_id, worker_id, agent, opened_by, resume, epoch, start_position, position, opened_at, closed_at,
     reason)
SELECT gen_random_uuid(), user_id, (SELECT id FROM notification_hub_worker),
       'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'session', 'none',
       epoch, 0, 7, now() - make_interval(mins => n), CASE WHEN user_id %% 50 > 0 THEN now() END,
       CASE WHEN user_id %% 50 > 0 THEN 'client' ELSE '' END
FROM notification_hub_inbox, generate_series(1, 3) AS n WHERE head = 7;
"""


OTHER_PAGES = {
    "inboxes": f"{ADMIN}inbox/",
    "inboxes: unread": f"{ADMIN}inbox/?unread=some",
    "inboxes: search: part of a name": f"{ADMIN}inbox/?q=wd7777",
    "inboxes: search: nobody": f"{ADMIN}inbox/?q=nobody",
    "streams": f"{ADMIN}streamsession/",
    "streams: all": f"{ADMIN}streamsession/?state=all",
    "streams: search: part of a name": f"{ADMIN}streamsession/?state=all&q=wd7777",
    "streams: search: nobody": f"{ADMIN}streamsession/?state=all&q=nobody",
    "tokens": f"{ADMIN}apitoken/",
    "tokens: search: part of a name": f"{ADMIN}apitoken/?q=wd7777",
    "broadcasts": f"{ADMIN}broadcast/",
    "replays": f"{ADMIN}replay/",
}


def measure(run: Run) -> Iterator[Figure]:
    """Each page five times; the median, and it is warm."""
    _seed(run)
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench-root", "root@example.org", "root"))
    some = Notification.objects.order_by("pk")[1_000]
    # In this process, where no files were collected: what is measured is the page.
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(ALLOWED_HOSTS=["testserver"], STORAGES={**settings.STORAGES, **plain}):
        for name, query in _pages(some).items():
            yield _time(client, name, LIST + query)
        yield _time(client, "one notification", f"{LIST}{some.public_id}/change/")
        for name, path in OTHER_PAGES.items():
            yield _time(client, name, path)
        # No list; what it counts is kept for some seconds.
        yield _time(client, "front page, counted anew", "/admin/", limit=None)
        yield _time(client, "one inbox", f"{ADMIN}inbox/{some.recipient_id}/change/")


def _pages(some: Notification) -> dict[str, str]:
    user = some.recipient.get_username()
    asked: dict[str, dict[str, str]] = {
        "all": {},
        "all, deep": {"before": str(some.pk)},
        "recipient": {"recipient": user},
        "recipient, unread, errors": {"recipient": user, "state": "unread", "level": "error"},
        "unread": {"state": "unread"},
        "deleted, of which there are none": {"state": "deleted"},
        "failed": {"state": "failed"},
        "category": {"category": "billing"},
        "category with a send to very many": {"category": "news", "state": "read"},
        "type, retired long ago": {"type": "legacy.report.made"},
        "type by prefix": {"type": "orders.order.*", "level": "error"},
        "level": {"level": "error"},
        "topic": {"topic": "order:77"},
        "producer": {"producer": "bench0"},
        "key": {"key": "nothing"},
        "a day long ago": {"sent_from": "2026-10-01", "sent_to": "2026-10-01"},
        "search: user": {"q": user},
        "search: a common word": {"q": "house"},
        "search: a rare word": {"q": "is 77777"},
        "search: words that never meet": {"q": "everybody house"},
        "search: cursor": {"q": "aaaaaaaa-7"},
    }
    return {name: f"?{urlencode(query)}" for name, query in asked.items()}


def _seed(run: Run) -> None:
    everybody = people(run.size(USERS, 100))
    with connection.cursor() as cursor:
        cursor.execute(
            _SEED,
            {
                "events": run.size(EVENTS, 20_000),
                "together": run.size(TOGETHER, 20_000),
                "users": [person.pk for person in everybody],
                "count": len(everybody),
                "producer": everybody[0].pk,
            },
        )
        cursor.execute(_CROWD, {"crowd": run.size(CROWD, 1_000)})
        cursor.execute("VACUUM ANALYZE")


def _time(client: Client, name: str, address: str, limit: float | None = LIMIT_MS) -> Figure:
    spent = []
    for _ in range(5):
        cache.clear()  # of the dashboard
        began_at = time.perf_counter()
        response = client.get(address)
        spent.append(time.perf_counter() - began_at)
        assert response.status_code == 200, (name, response.status_code)
    return Figure(name=f"admin: {name}", value=1_000 * statistics.median(spent), unit="ms", limit=limit)
