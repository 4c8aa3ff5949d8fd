"""Removing a user: all rows of their inbox, in chunks, because Django's collector would load every one."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import transaction

from notifications.inbox_log.inboxes import announce_streams_on_commit, lock_inboxes
from notifications.models import Change, Event, Inbox, Notification, ReplayedNotification, StreamSession
from notifications.services.records.streams import lock_workers_of

CHUNK: Final = 5_000


def erase_user(user_id: Any) -> None:
    """Remove a user's inbox, its log, its notifications and the records of its streams, and the events that
    nobody else was told of.

    Transaction: the caller's; meant for ``pre_delete`` of the user, which it must precede because of the
    foreign keys.
    """
    with transaction.atomic():
        # First the log, which then no longer grows, then the user, whom nobody can refer to any more: what
        # commits in between would make the deletion fail by its foreign key.
        lock_inboxes([user_id])
        get_user_model()._base_manager.select_for_update().filter(pk=user_id).values_list("pk").first()
        lock_workers_of(StreamSession.objects.filter(StreamSession.OPEN, user_id=user_id))
        _delete_chunked(StreamSession, user_id=user_id)
        _delete_chunked(Change, inbox_id=user_id)
        while rows := list(
            Notification.objects.filter(recipient_id=user_id).values_list("pk", "event_id")[:CHUNK]
        ):
            keys = [row[0] for row in rows]
            ReplayedNotification.objects.filter(notification_id__in=keys).delete()
            Notification.objects.filter(pk__in=keys).delete()
            orphans = Event.objects.filter(
                pk__in={row[1] for row in rows}, notifications__isnull=True, broadcasts__isnull=True
            )
            Event.objects.filter(pk__in=list(orphans.values_list("pk", flat=True))).delete()
        Inbox.objects.filter(pk=user_id).delete()
        announce_streams_on_commit([user_id])


def _delete_chunked(model: Any, **condition: Any) -> None:
    while keys := list(model.objects.filter(**condition).values_list("pk", flat=True)[:CHUNK]):
        model.objects.filter(pk__in=keys).delete()
