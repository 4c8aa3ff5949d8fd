"""Answers as JSON by orjson; notifications and changes are spliced in as the payloads rendered them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer


class OrjsonRenderer(BaseRenderer):
    """Writes plain values, with ``orjson.Fragment`` wherever bytes of the payloads go in unchanged."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The body; nothing for no data."""
        return b"" if data is None else orjson.dumps(data)


class OneRepresentation(BaseContentNegotiation):
    """There is one representation, so ``Accept`` is not asked: RFC 9110 allows that, and no client is worse
    off.
    """

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        """The only renderer."""
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """The parser of exactly the request's media type, its parameters aside; None (415) for any other."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)
