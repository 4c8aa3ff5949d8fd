"""The configuration of the catalogue, which a project may leave out."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatalogueConfig(AppConfig):
    """Event types that many products share. It has no models, and sends nothing."""

    name = "notifications.contrib.catalogue"
    label = "notification_hub_catalogue"
    verbose_name = _("Event type catalogue")
