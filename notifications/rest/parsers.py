"""Request bodies: strict JSON of a bounded size, whether their length was announced or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import QueryDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from notifications import strict_json
from notifications.rest.errors import BodyTooLarge

MAX_BODY_BYTES: Final = 1_048_576


class StrictJSONParser(BaseParser):
    """Reads one JSON value as the protocol admits it (section 3)."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value.

        Raises:
            BodyTooLarge: more than 1 MiB, announced or sent.
            InvalidInput: not JSON, or not the JSON that the protocol admits.
        """
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge
        return strict_json.loads(raw)


class HubRequest(Request):
    """DRF's request, but for forms, which it has none of, and bodies without a Content-Length."""

    _stream: Any

    @property
    def POST(self) -> QueryDict:  # type: ignore[override]  # noqa: N802 (DRF's name; its types call it an attribute)
        """Nothing. The CSRF check looks for a form field first, and would read the body before it is known who asks."""
        return QueryDict()

    def _load_stream(self) -> None:
        # DRF takes a body of unannounced length for an empty one; a client that streams its body sends just such.
        self._stream = self._request
