"""Reading and deleting: done twice they change nothing, and what is not one's own is not found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from notifications import selectors, services
from notifications.models import Change
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import assert_converges, change_names

pytestmark = pytest.mark.django_db(transaction=True)


def test_actions__done_twice__change_nothing_and_take_no_position(ada: User, announced: list[Any]) -> None:
    public_id = send(ada)
    for action in (services.mark_read, services.mark_unread, services.delete):
        with assert_converges(ada):
            assert action(ada, [public_id]).changed == 1
        head, count = selectors.inboxes([ada.pk])[ada.pk].head, len(announced)
        assert action(ada, [public_id, public_id]).changed == 0
        assert selectors.inboxes([ada.pk])[ada.pk].head == head
        assert len(announced) == count


def test_actions__foreign_deleted_staged_and_unknown_ids__are_not_found_and_untouched(
    ada: User, grace: User
) -> None:
    foreign, gone, unknown = send(grace), send(ada), uuid4()
    staged = send(ada, deliver_at=timezone.now() + timedelta(hours=1))
    services.delete(ada, [gone])
    for action in (services.mark_read, services.mark_unread, services.delete):
        outcome = action(ada, [foreign, gone, unknown, staged])
        assert outcome.changed == 0
        assert outcome.not_found == [foreign, gone, unknown, staged]
    assert selectors.get_notification(grace.pk, foreign).read_at is None


def test_actions__rolled_back__leave_no_change_and_are_not_announced(ada: User, announced: list[Any]) -> None:
    public_id = send(ada)
    announced.clear()

    def read_and_fail() -> None:
        with transaction.atomic():
            services.mark_read(ada, [public_id])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        read_and_fail()
    assert announced == []
    assert change_names(ada) == ["notification.created"]


def test_actions__record_who_asked_and_by_which_door(ada: User) -> None:
    public_id = send(ada, source="shop")
    services.delete(
        ada,
        [public_id],
        reason="staff",
        provenance=services.Provenance(by="boss", via="admin", address="127.0.0.1"),
    )
    created, deleted = Change.objects.order_by("position")
    assert (created.by, created.via) == ("shop", "producer")
    assert (deleted.by, deleted.via, deleted.address, deleted.reason) == (
        "boss",
        "admin",
        "127.0.0.1",
        "staff",
    )


def test_mark_all_read__reads_what_was_seen_by_one_change(ada: User) -> None:
    send(ada)
    send(ada, event=order_event(type_name="sync.job.failed"))
    seen = selectors.list_page(ada.pk).cursor.position
    send(ada, "later")
    with assert_converges(ada):
        outcome = services.mark_all_read(ada, up_to=seen)
    assert (outcome.changed, outcome.inbox.unread_count, outcome.inbox.head) == (2, 1, 4)
    assert services.mark_all_read(ada, up_to=seen).inbox.head == 4


def test_mark_all_read__of_a_category__leaves_the_others_unread(ada: User) -> None:
    send(ada)
    send(ada, event=order_event(type_name="sync.job.failed"))
    with assert_converges(ada):
        assert services.mark_all_read(ada, category="sync").changed == 1
    assert selectors.counts(ada.pk).by_category == {"orders": 1}


def test_mark_all_read__nothing_unread__takes_no_position(ada: User) -> None:
    assert services.mark_all_read(ada).inbox.head == 0
