"""Members of staff in the admin, and the addresses of the pages they use."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from notifications.models import Notification
from tests.helpers.factories import make_user

LIST = "/admin/notification_hub/notification/"
INBOXES = "/admin/notification_hub/inbox/"
STREAMS = "/admin/notification_hub/streamsession/"
BROADCASTS = "/admin/notification_hub/broadcast/"
REPLAYS = "/admin/notification_hub/replay/"
TOKENS = "/admin/notification_hub/apitoken/"
TAIL_STREAM = "/admin/notification_hub/live/tail"
REPLAY_STREAM = "/admin/notification_hub/live/replay"
ADDRESS = "203.0.113.9"


def make_staff(username: str = "vera", *codenames: str) -> User:
    """A member of staff with some permissions of the hub (``view_notification`` …)."""
    user = make_user(username, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return user


def client_of(user: User) -> Client:
    """A browser in which a member of staff is logged in, at an address of its own."""
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(user)
    return client


def page_of(public_id: UUID, page: str = "change") -> str:
    """The address of a notification's page, or of one of its verbs."""
    return reverse(f"admin:notification_hub_notification_{page}", args=[public_id])


def row_of(public_id: UUID) -> Notification:
    """A notification as it is stored now."""
    return Notification.objects.select_related("event").get(public_id=public_id)


def shown_titles(response: Any) -> list[str]:
    """The titles in a list, in its order."""
    assert response.status_code == 200, response
    return [row.event.title for row in response.context["cl"].result_list]


def titles_of(staff: Client, **parameters: Any) -> list[str]:
    """The titles that the list of notifications shows for what its address says."""
    return shown_titles(staff.get(LIST, parameters))


def messages_of(response: Any) -> list[str]:
    """What the page after a redirect tells the member of staff."""
    return [str(message) for message in response.context["messages"]]
