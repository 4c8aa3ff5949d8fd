"""Django's signals, each turned into the one call that it is for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from notifications import services
from notifications.signals import inbox_changed, streams_changed
from notifications.streaming import hints


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def erase_deleted_user(*, instance: Any, **kwargs: Any) -> None:
    """Remove a user's inbox before the user: the foreign keys do nothing by themselves."""
    services.erase_user(instance.pk)


@receiver(inbox_changed)
def hint_at_new_heads(*, heads: Mapping[Any, int], **kwargs: Any) -> None:
    """After the commit: tell every process that streams to these users; a hint may be lost, a change never is."""
    hints.publish(heads)


@receiver(streams_changed)
def look_at_streams(*, user_ids: Collection[Any], **kwargs: Any) -> None:
    """After the commit: every process looks again at the rights and rows of these users' streams; so it does by itself, later."""
    hints.publish_looks(user_ids)
