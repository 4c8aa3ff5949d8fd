"""Django's signals, each turned into the one call that it is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model, user_logged_out
from django.db.models.signals import post_save, pre_delete
from django.dispatch import receiver
from django.http import HttpRequest

from notifications import services
from notifications.services.transient.receipts import Receipt
from notifications.signals import (
    channel_layer_asked,
    event_emitted,
    inbox_changed,
    notifications_sequenced,
    notifications_shown,
    streams_changed,
)
from notifications.streaming.hints import publisher
from notifications.streaming.metrics import METRICS

# What, on a user, a session's right depends on.
_RIGHTS: Final = frozenset({"is_active", "password"})


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def erase_deleted_user(*, instance: Any, **kwargs: Any) -> None:
    """Remove a user's inbox before the user: the foreign keys do nothing by themselves."""
    services.erase_user(instance.pk)


@receiver(user_logged_out)
def end_streams_of_logout(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """The session's streams end at once. Of its polls and the like only the session itself tells, which
    Django ends a moment after this signal: so whoever looks because of it looks twice.
    """
    if user is None:
        return
    session = getattr(request, "session", None)
    if session is not None and session.session_key:
        services.end_streams_of_session(user.pk, session.session_key)
    services.announce_streams_on_commit([user.pk])


# The signal names the class that was saved, which may be a proxy of the user model: this one is heard of
# every class.
@receiver(post_save)
def announce_saved_user(
    *, instance: Any, created: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """A user who may have been deactivated, or given another password."""
    if created or not isinstance(instance, get_user_model()):
        return
    if update_fields is None or not update_fields.isdisjoint(_RIGHTS):
        services.announce_streams_on_commit([instance.pk])


@receiver(inbox_changed)
def hint_at_new_heads(*, heads: Mapping[Any, int], **kwargs: Any) -> None:
    """After the commit: tell every process that streams to these users; a hint may be lost, a change never
    is.
    """
    publisher.publish(heads)


@receiver(streams_changed)
def look_at_streams(*, user_ids: Collection[Any], **kwargs: Any) -> None:
    """After the commit: every process looks again at the rights and rows of these users' streams; so it does
    by itself, later.
    """
    publisher.publish_looks(user_ids)


@receiver(event_emitted)
def pass_on_event(
    *,
    user_ids: Collection[Any],
    event_id: UUID,
    event_type: str,
    topic: str,
    at: datetime,
    data: str,
    receipt: Receipt | None,
    **kwargs: Any,
) -> None:
    """At once: to every process that streams to these users; best effort, and a receipt says what came of
    it.
    """
    publisher.publish_event(
        user_ids,
        event_id=event_id,
        event_type=event_type,
        topic=topic,
        at=at,
        data=data,
        receipt=receipt,
    )


@receiver(channel_layer_asked)
def ask_channel_layer(*, receipt: Receipt, **kwargs: Any) -> None:
    """At once: something that nobody is shown goes over the layer."""
    publisher.publish_probe(receipt)


@receiver(notifications_shown)
def show_again(*, shows: Collection[tuple[Any, int]], **kwargs: Any) -> None:
    """After the commit: the processes that stream to these users read what they are to show once more; best
    effort.
    """
    publisher.publish_shows(shows)


@receiver(notifications_sequenced)
def count_sequenced(*, count: int, failed_count: int, **kwargs: Any) -> None:
    """For ``/metrics``: what came of notifications that were sent."""
    METRICS.count_sequenced(count=count, failed_count=failed_count)
