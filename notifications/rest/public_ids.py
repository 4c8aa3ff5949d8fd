"""Ids as clients write them in paths and bodies: the usual form of a UUID, in either case (RFC 9562)."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.urls.converters import UUIDConverter

_FORM: Final = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_ID: Final = re.compile(_FORM, re.ASCII)


class IdConverter(UUIDConverter):
    """The converter of ``<hub_id:…>`` in the paths of the API."""

    regex = _FORM


def parse_id(text: str) -> UUID | None:
    """Return the id that a text spells; None for any other text."""
    return UUID(text) if _ID.fullmatch(text) else None
