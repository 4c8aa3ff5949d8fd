"""The staff's side of the hub in Django's admin. Registered with the default site; loaded by its autodiscovery."""

from __future__ import annotations

from notifications.admin.broadcasts import BroadcastAdmin
from notifications.admin.inboxes import InboxAdmin
from notifications.admin.notifications import NotificationAdmin
from notifications.admin.replays import ReplayAdmin
from notifications.admin.streams import StreamSessionAdmin
from notifications.admin.tokens import ApiTokenAdmin

__all__ = [
    "ApiTokenAdmin",
    "BroadcastAdmin",
    "InboxAdmin",
    "NotificationAdmin",
    "ReplayAdmin",
    "StreamSessionAdmin",
]
