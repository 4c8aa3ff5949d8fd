"""Serves the description to programs, and as a page to people. Everybody may read it: it holds no secret."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import get_script_prefix
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from notifications.exceptions import InvalidInput
from notifications.rest.http.errors import PRIVATE_HEADERS
from notifications.rest.inbox import HubView

FILE: Final = Path(__file__).parent / "openapi.json"
FORMATS: Final = {"json": "application/vnd.oai.openapi+json", "yaml": "application/vnd.oai.openapi"}


class SchemaView(HubView):
    """``/schema``"""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def get(self, request: Request) -> HttpResponse:
        """Return OpenAPI 3 as JSON, or as YAML for ``format=yaml``."""
        format_name = request.query_params.get("format", "json")
        if format_name not in FORMATS:
            raise InvalidInput({"format": f"must be one of {', '.join(FORMATS)}"})
        return HttpResponse(
            document(format_name, get_script_prefix()),
            content_type=FORMATS[format_name],
            headers=dict(PRIVATE_HEADERS),
        )


@lru_cache(maxsize=len(FORMATS))
def document(form: str, prefix: str = "/") -> bytes:
    """Return the description that ``make schema`` wrote, in one of ``FORMATS``, below ``prefix``."""
    written = FILE.read_bytes()
    if form == "json" and prefix == "/":
        return written
    parsed: Any = json.loads(written)
    if prefix != "/":
        parsed["servers"] = [{"url": prefix.rstrip("/")}]
    if form == "json":
        return json.dumps(parsed).encode()
    return yaml.safe_dump(parsed, sort_keys=False, allow_unicode=True).encode()


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description as a page; everything on it comes from this site."""
    return render(request, "api/docs.html")
