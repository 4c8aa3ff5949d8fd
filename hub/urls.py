"""The paths that the hub serves through Django; the stream is routed in hub.asgi."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from notifications.rest.schema.views import docs

urlpatterns = [
    path("api/v1/", include("notifications.rest.urls")),
    path("api/docs/", docs, name="api_docs"),
    path("admin/", admin.site.urls),
    path("", include("notifications.rest.keria")),
    path("", include("notifications.pages.urls")),
]
