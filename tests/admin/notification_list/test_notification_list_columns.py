"""The columns of the list of notifications: one that fails costs its own cell at most (I18)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications.admin.notification_list.notification_admin import NotificationAdmin
from notifications.models import Notification
from tests.helpers.factories import send
from tests.helpers.staff import LIST

pytestmark = pytest.mark.django_db(transaction=True)


def test_cell__that_cannot_be_rendered__fails_alone(
    ada: User, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ada, "first")
    bad = Notification.objects.get(public_id=send(ada, "second"))
    level_chip = NotificationAdmin.level_chip

    def fails(self: Any, row: Any) -> Any:
        if row.pk == bad.pk:
            raise ValueError("no such level")
        return level_chip(self, row)

    fails.__dict__.update(level_chip.__dict__)
    monkeypatch.setattr(NotificationAdmin, "level_chip", fails)
    page = staff.get(LIST)
    assert page.status_code == 200
    text = page.content.decode()
    assert text.count("cannot be shown") == 1
    assert "first" in text
    assert "second" in text
