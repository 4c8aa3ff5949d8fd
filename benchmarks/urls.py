"""The hub's paths, and a bare view."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def bare(request: HttpRequest) -> HttpResponse:
    """Nothing."""
    return HttpResponse(status=204)


urlpatterns = [path("bare", bare), path("", include("hub.urls"))]
