"""The description for programs, and the page that shows it to people. Both are for everybody: they hold no secret."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from notifications.exceptions import InvalidInput
from notifications.rest.errors import PRIVATE_HEADERS
from notifications.rest.views import HubView

FILE: Final = Path(__file__).parent / "openapi.json"
FORMATS: Final = {"json": "application/vnd.oai.openapi+json", "yaml": "application/vnd.oai.openapi"}


class SchemaView(HubView):
    """``/schema``"""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def get(self, request: Request) -> HttpResponse:
        """OpenAPI 3 as JSON, or as YAML for ``format=yaml``."""
        wanted = request.query_params.get("format", "json")
        if wanted not in FORMATS:
            raise InvalidInput({"format": f"must be one of {', '.join(FORMATS)}"})
        return HttpResponse(document(wanted), content_type=FORMATS[wanted], headers=dict(PRIVATE_HEADERS))


@lru_cache(maxsize=len(FORMATS))
def document(form: str) -> bytes:
    """The description as it was written by ``make schema``, in one of ``FORMATS``."""
    written = FILE.read_bytes()
    if form == "json":
        return written
    parsed: Any = yaml.safe_load(written)  # JSON is YAML, and keeps its order here
    return yaml.safe_dump(parsed, sort_keys=False, allow_unicode=True).encode()


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The page that shows the description; everything on it comes from this site."""
    return render(request, "api/docs.html")
