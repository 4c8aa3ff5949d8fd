"""Renders answers as JSON with orjson; notifications and changes are inserted as they were rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer


class OrjsonRenderer(BaseRenderer):
    """Writes plain values; ``orjson.Fragment`` inserts bytes of the payloads unchanged."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; empty without data."""
        return b"" if data is None else orjson.dumps(data)


class OneRepresentation(BaseContentNegotiation):
    """Ignores ``Accept``, because there is one representation. RFC 9110 allows that."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the only renderer."""
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Return the parser of the request's media type, without its parameters; None (415) for any other."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)
