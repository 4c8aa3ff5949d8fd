"""How much happened when, as staff read it: by keys and partial indexes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import Event, Notification
from notifications.selectors.staff import activity
from tests.helpers.factories import order_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.shape("production")
def test_plans__read_by_keys_and_partial_indexes(ada: User) -> None:
    services.notify_many([ada], order_event(), title="t")
    Notification.objects.bulk_create(
        Notification(
            recipient=ada, event_id=Event.objects.get().pk, deliver_at=timezone.now() + timedelta(days=1)
        )
        for _ in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET enable_seqscan = off")
    try:
        with CaptureQueriesContext(connection) as captured:
            activity.changes_since(timezone.now() - timedelta(days=1))
            activity.opened_streams(timezone.now() - timedelta(days=1))
            list(activity.failed_sources())
        for query in captured:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = on")
