"""Wiring: what is imported when Django starts."""

from __future__ import annotations

import importlib

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    """The notification hub."""

    name = "notifications"
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import receivers, checks and every app's event types; threads start later, with the first ASGI scope."""
        importlib.import_module("notifications.receivers")
        autodiscover_modules("notification_events")
