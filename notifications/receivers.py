"""Django's signals, each turned into the one call that it is for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from notifications import services


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def erase_deleted_user(*, instance: Any, **kwargs: Any) -> None:
    """Remove a user's inbox before the user: the foreign keys do nothing by themselves."""
    services.erase_user(instance.pk)
