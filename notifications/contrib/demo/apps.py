"""The configuration of the demo, which a project installs in development only."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DemoConfig(AppConfig):
    """The demo's event types, and the scenarios that ``manage.py demo`` plays. It has no models."""

    name = "notifications.contrib.demo"
    label = "notification_hub_demo"
    verbose_name = _("Demo")
