"""The pages of the hub in Django's admin.

They are registered with the default site, and loaded by its autodiscovery.
"""

from __future__ import annotations

from notifications.admin.inbox.inbox_admin import InboxAdmin
from notifications.admin.jobs.broadcast_admin import BroadcastAdmin
from notifications.admin.jobs.replay_admin import ReplayAdmin
from notifications.admin.notification_list.notification_admin import NotificationAdmin
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
