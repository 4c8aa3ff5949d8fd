"""The receivers of Django's signals and the hub's own; each makes the one call that its signal is for."""

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
    channel_layer_probed,
    event_emitted,
    inbox_changed,
    notifications_sequenced,
    notifications_shown_again,
    streams_changed,
)
from notifications.streaming.hints import publisher
from notifications.streaming.metrics import METRICS

# The fields of a user on which the validity of their sessions depends.
_SESSION_FIELDS: Final = frozenset({"is_active", "password"})


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def erase_deleted_user(*, instance: Any, **kwargs: Any) -> None:
    """Delete a user's inbox before the user, because the foreign keys cascade nothing."""
    services.erase_user(instance.pk)


@receiver(user_logged_out)
def end_streams_of_logout(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """End the streams of the session that logs out, and have every process look at its user's streams.

    The look is for long polls, whose validity only the session itself shows. Django ends the session a moment
    after this signal, so whoever looks because of it looks twice.
    """
    if user is None:
        return
    session = getattr(request, "session", None)
    if session is not None and session.session_key:
        services.end_streams_of_session(user.pk, session.session_key)
    services.announce_streams_on_commit([user.pk])


# The sender is the class that was saved, which may be a proxy of the user model, so this receiver listens to
# every class.
@receiver(post_save)
def announce_saved_user(
    *, instance: Any, created: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Have every process look at the streams of a user who may be deactivated or have another password."""
    if created or not isinstance(instance, get_user_model()):
        return
    if update_fields is None or not update_fields.isdisjoint(_SESSION_FIELDS):
        services.announce_streams_on_commit([instance.pk])


@receiver(inbox_changed)
def hint_at_new_heads(*, heads: Mapping[Any, int], **kwargs: Any) -> None:
    """Tell every process that streams to these users about their new heads, after the commit.

    A hint may be lost; a change never is.
    """
    publisher.publish(heads)


@receiver(streams_changed)
def look_at_streams(*, user_ids: Collection[Any], **kwargs: Any) -> None:
    """Have every process check the credentials and rows of these users' streams again, after the commit.

    A process that does not hear of it does so by itself, later.
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
    """Send a transient event to every process that streams to these users, at once.

    It is best effort, and a receipt says what came of it.
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


@receiver(channel_layer_probed)
def probe_channel_layer(*, receipt: Receipt, **kwargs: Any) -> None:
    """Send a message over the channel layer that nobody is shown, to learn at once whether it accepts any."""
    publisher.publish_probe(receipt)


@receiver(notifications_shown_again)
def show_again(*, shows: Collection[tuple[Any, int]], **kwargs: Any) -> None:
    """Have the processes that stream to these users show some notifications once more, after the commit.

    It is best effort.
    """
    publisher.publish_shows(shows)


@receiver(notifications_sequenced)
def count_sequenced(*, count: int, failed_count: int, **kwargs: Any) -> None:
    """Count for ``/metrics`` what became of notifications that were sent."""
    METRICS.count_sequenced(count=count, failed_count=failed_count)
