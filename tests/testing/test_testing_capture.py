"""``notifications.testing``: what teams use inside their own ``TestCase``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import TestCase
from django.utils import timezone

from notifications import selectors, services
from notifications.event_types import UntypedEvent
from notifications.signals import inbox_changed
from notifications.testing import EmittedEvent, capture_events, capture_notifications
from tests.helpers.api import PAY
from tests.helpers.factories import make_user, send

pytest_plugins = ["notifications.testing.pytest_plugin"]


class CaptureInsideATestCase(TestCase):
    """Nothing commits here, as in most teams' tests."""

    def test_capture__lists_what_was_sent_in_order(self) -> None:
        ada, grace = make_user("ada"), make_user("grace")
        with capture_notifications() as sent:
            send(ada, "first", topic="order:1", actions=[PAY])
            send(grace, "second")
        assert [(item.recipient, item.title, item.topic) for item in sent] == [
            (ada, "first", "order:1"),
            (grace, "second", ""),
        ]
        assert [item.actions for item in sent] == [[PAY], []]
        assert (sent[0].type, sent[0].data, sent[0].position) == ("orders.order.shipped", {"order_id": 7}, 1)

    def test_capture__sequences_so_that_lists_and_actions_see_it(self) -> None:
        ada = make_user("ada")
        with capture_notifications() as sent:
            send(ada)
        assert selectors.list_page(ada.pk).unread_count == 1
        assert services.mark_read(ada, [sent[0].id]).changed == 1

    def test_capture__announces_as_after_a_commit(self) -> None:
        heads: list[dict[object, int]] = []

        def note(
            *, heads: dict[object, int], _seen: list[dict[object, int]] = heads, **kwargs: object
        ) -> None:
            _seen.append(heads)

        inbox_changed.connect(note)
        self.addCleanup(inbox_changed.disconnect, note)
        ada = make_user("ada")
        with capture_notifications():
            send(ada)
        assert heads == [{ada.pk: 1}]

    def test_capture__rolled_back_inside__is_not_listed(self) -> None:
        ada = make_user("ada")
        with capture_notifications() as sent:
            send(ada, "kept")
            inner = transaction.savepoint()
            send(ada, "lost")
            transaction.savepoint_rollback(inner)
        assert [item.title for item in sent] == ["kept"]

    def test_capture__earlier_and_later_sends__are_not_listed(self) -> None:
        ada = make_user("ada")
        send(ada, "before")
        with capture_notifications() as sent:
            send(ada, "inside")
        send(ada, "after")
        assert [item.title for item in sent] == ["inside"]

    def test_capture__scheduled__is_listed_without_a_position(self) -> None:
        ada, due = make_user("ada"), timezone.now() + timedelta(days=1)
        with capture_notifications() as sent:
            send(ada, deliver_at=due)
        assert [(item.deliver_at, item.position) for item in sent] == [(due, None)]


@pytest.mark.django_db(transaction=True)
def test_capture__where_transactions_do_commit__lists_the_same() -> None:
    ada = make_user("ada")
    with capture_notifications() as sent:
        send(ada)
    assert [item.position for item in sent] == [1]


def test_fixture__brings_the_database_and_the_context_manager(capture_notifications: type[object]) -> None:
    ada = make_user("ada")
    with capture_notifications() as sent:  # type: ignore[attr-defined]
        send(ada, "t")
    assert [item.title for item in sent] == ["t"]


def test_capture_events__lists_what_was_emitted_and_no_more() -> None:
    event = UntypedEvent(type_name="jobs.job.progress", fields={"percent": 50})
    with capture_events() as emitted:
        services.emit([7, 8], event, topic="job:1")
        assert len(emitted) == 1
    services.emit(7, event)
    assert emitted == [
        EmittedEvent(user_ids=[7, 8], type="jobs.job.progress", topic="job:1", data={"percent": 50})
    ]
