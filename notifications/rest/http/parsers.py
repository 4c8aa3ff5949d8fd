"""Parses request bodies: strict JSON of a bounded size, whether its length was announced or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import QueryDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from notifications.protocol import strict_json
from notifications.rest.http.errors import BodyTooLarge

MAX_BODY_BYTES: Final = 1_048_576
MAX_BATCH_BYTES: Final = 4 * MAX_BODY_BYTES


class StrictJSONParser(BaseParser):
    """Reads one JSON value as the protocol admits it (section 3)."""

    media_type = "application/json"
    max_bytes = MAX_BODY_BYTES

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed value.

        Raises:
            BodyTooLarge: more than ``max_bytes``, announced or sent.
            InvalidInput: not JSON, or not the JSON that the protocol admits.
        """
        raw = stream.read(self.max_bytes + 1)
        if len(raw) > self.max_bytes:
            raise BodyTooLarge(
                f"A request body here may hold at most {self.max_bytes} bytes; send it in parts."
            )
        return strict_json.loads(raw)


class BatchJSONParser(StrictJSONParser):
    """Reads many objects at once."""

    max_bytes = MAX_BATCH_BYTES


class HubRequest(Request):
    """DRF's request without forms, and with bodies that have no Content-Length."""

    _stream: Any

    @property
    def POST(self) -> QueryDict:  # type: ignore[override]  # noqa: N802 (DRF's name; its types call it an attribute)
        """An empty form.

        The CSRF check looks for a form field first, and would read the body before the user is known.
        """
        return QueryDict()

    def _load_stream(self) -> None:
        # DRF takes a body without Content-Length for an empty one, but a client that streams its body sends
        # one.
        self._stream = self._request
