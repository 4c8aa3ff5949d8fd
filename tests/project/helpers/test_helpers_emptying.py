"""The database between two tests that commit."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction

from notifications.models import Notification
from tests.helpers.emptying import empty
from tests.helpers.factories import make_user, send
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until


@pytest.mark.django_db(transaction=True)
def test_empty__rows_of_a_user__leaves_none_but_those_of_the_migrations() -> None:
    permissions = Permission.objects.count()
    send(make_user("ada"))
    empty(connection)
    assert not User.objects.exists()
    assert not Notification.objects.exists()
    assert Permission.objects.count() == permissions > 0


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND "
            "wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
@pytest.mark.shape("production")
def test_empty__another_process_holds_a_row_and_wants_the_next__neither_is_ended() -> None:
    """The other one holds Bob and waits for Ada's row, which `empty` has deleted: a deadlock, unless `empty`
    gives way.
    """
    ada, bob = make_user("ada"), make_user("bob")
    holds = threading.Event()
    failures: list[BaseException] = []

    def other() -> None:
        try:
            with transaction.atomic():
                User.objects.select_for_update().get(pk=bob.pk)
                holds.set()
                wait_until(somebody_waits)
                User.objects.select_for_update().filter(pk=ada.pk).first()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert holds.wait(PATIENCE_SECONDS)
    empty(connection)
    thread.join(PATIENCE_SECONDS)
    assert not failures
    assert not User.objects.exists()
