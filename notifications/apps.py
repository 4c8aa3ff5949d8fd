"""The app's configuration: what is imported when Django starts."""

from __future__ import annotations

import importlib

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from notifications import permissions


class NotificationsConfig(AppConfig):
    """The notification hub."""

    name = "notifications"
    label = permissions.APP_LABEL
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import receivers, checks and the event types of every app.

        The background threads start later, with the first ASGI scope.
        """
        for module in ("receivers", "checks"):
            importlib.import_module(f"notifications.{module}")
        autodiscover_modules("notification_events")
