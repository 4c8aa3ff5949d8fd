"""The admin site of this project: its name, and the hub's own sections before Django's."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

SECTIONS: Final = ("notification_hub", "auth")


class HubAdminSite(AdminSite):
    """Django's admin under the hub's name."""

    site_header = _("Notification hub")
    site_title = _("Notification hub")
    index_title = _("Staff")
    index_template = "admin/hub_index.html"
    # The sections are few; the lists need the width.
    enable_nav_sidebar = False

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the front page, with the dashboard."""
        # Imported here because this module is loaded before the apps are ready.
        from notifications.admin.dashboard import dashboard_context

        return super().index(request, {**dashboard_context(request), **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the sections in the order of their use, then all others by name; notifications first."""
        sections = super().get_app_list(request, app_label)
        for section in sections:
            if section["app_label"] == SECTIONS[0]:
                section["models"].sort(key=lambda model: model["object_name"] != "Notification")
        order = {label: place for place, label in enumerate(SECTIONS)}
        return sorted(sections, key=lambda section: order.get(section["app_label"], len(order)))
