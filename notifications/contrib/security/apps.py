"""The configuration of the security app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SecurityConfig(AppConfig):
    """Notifies people of what happens to their account."""

    name = "notifications.contrib.security"
    label = "notification_hub_security"
    verbose_name = _("Account security")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to Django's signals and register the checks."""
        from notifications.contrib.security import checks, receivers  # noqa: F401 (needs the models)

        receivers.connect()
