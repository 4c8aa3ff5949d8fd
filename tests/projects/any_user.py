"""What must hold whatever the primary key of a user is.

`tests/models/test_models_any_user.py` runs it in projects of its own.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from notifications import selectors, services
from notifications.models import Event, Inbox, Notification
from notifications.streaming.credential import Credential, session_fingerprint
from notifications.streaming.process import credential_validity
from tests.helpers import auditor
from tests.helpers.factories import make_user, order_event
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 30


@pytest.fixture
def users() -> list[Any]:
    """In the order of their names, which is not that of their keys."""
    # Names that SQL, JSON and arrays could stumble over; they are keys in one of the projects.
    return [make_user(f"{number}, 'ü\"{{}}\\ %s") for number in range(USERS)]


def test_key__is_not_djangos_own() -> None:
    assert get_user_model()._meta.pk.get_internal_type() in ("UUIDField", "CharField")


def test_services__by_user_key_and_text__reach_the_same_inbox(users: list[Any]) -> None:
    ada = users[0]
    with assert_converges(*users):
        ids = services.notify_many([*users, ada.pk, str(ada.pk)], order_event(), title="t", collapse_key="k")
        assert len(ids) == USERS
        assert services.mark_read(str(ada.pk), ids).changed == 1
        services.notify_many(users[::-1], order_event(), title="t", collapse_key="k")
        assert services.mark_all_read(ada.pk).changed == 1
        assert services.delete(ada, [ids[0]]).not_found == [ids[0]]
    assert Inbox.objects.get(pk=ada.pk).head == 5


def test_replay__re_delivers_and_copies_by_key(users: list[Any]) -> None:
    root = make_user("root", is_superuser=True)
    ids = services.notify_many(users[1:], order_event(), title="t")
    with assert_converges(*users):
        for verb, copy_to in (("redeliver", []), ("copy", users[:2])):
            job = services.start_replay(
                verb,
                services.Selection(ids=ids),
                reason="r",
                owner=root,
                copy_to=copy_to,
                total_count=len(ids),
                provenance=services.Provenance(by="root", via="admin"),
            )
            while services.run_replay_chunk(job.pk):
                pass
    assert Notification.objects.exclude(replay_of=None).count() == USERS - 1
    assert Notification.objects.filter(recipient=users[0]).count() == 1
    assert auditor.problems() == auditor.history_problems() == []


def test_logs_of_many__are_read_by_key(users: list[Any]) -> None:
    services.notify_many(users, order_event(), title="1")
    services.notify_many(users, order_event(), title="2")
    logs = selectors.changes_since({user.pk: number % 3 for number, user in enumerate(users)}, limit=1)
    assert {key: [row.position for row in rows] for key, rows in logs.items()} == {
        user.pk: [number % 3 + 1] for number, user in enumerate(users) if number % 3 < 2
    }


def test_sweeper__in_parts_of_one__finds_everybody(users: list[Any], settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 1}
    event = Event.objects.create(type="orders.order.shipped", title="t")
    Notification.objects.bulk_create([Notification(recipient=user, event=event) for user in users])
    assert services.sweep().sequenced == USERS
    assert auditor.problems() == auditor.history_problems() == []


def test_rights__end_by_key(users: list[Any]) -> None:
    opened = [Credential(user.pk, session_fingerprint=session_fingerprint(user)) for user in users]
    assert credential_validity.invalidated(opened) == {}
    users[0].is_active = False
    users[0].save()
    users[1].set_password("another")
    users[1].save()
    users[2].delete()
    assert set(credential_validity.invalidated(opened)) == set(opened[:3])


def test_user_deleted__their_rows_go_with_them(users: list[Any]) -> None:
    services.notify_many(users, order_event(), title="t")
    users[0].delete()
    assert Inbox.objects.count() == Notification.objects.count() == USERS - 1
