"""A user who is deleted takes along inbox, log and the events that nobody else has."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.models import Change, Event, Inbox
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import change_names

pytestmark = pytest.mark.django_db(transaction=True)


def test_user_deleted__inbox_log_and_unshared_events_go_with_them(ada: User, grace: User) -> None:
    services.notify_many([ada, grace], order_event(), title="shared")
    services.mark_all_read(ada)
    send(ada, "own")
    ada.delete()
    assert not Inbox.objects.filter(pk=ada.pk).exists()
    assert not Change.objects.filter(inbox_id=ada.pk).exists()
    assert [event.title for event in Event.objects.all()] == ["shared"]
    assert change_names(grace) == ["notification.created"]
