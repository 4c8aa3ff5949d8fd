"""Strong ETags that are the inbox's cursor: every change takes a position, so they are exact."""

from __future__ import annotations

from django.http import HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request

from notifications.protocol.cursors import Cursor


def etag_header(cursor: Cursor) -> dict[str, str]:
    """The header of an answer that shows the inbox at ``cursor``."""
    return {"ETag": f'"{cursor}"'}


def is_current(request: Request, cursor: Cursor) -> bool:
    """Whether the client holds the answer already.

    Compared weakly, as RFC 9110 wants it for ``If-None-Match``: a proxy that compresses marks our strong tag
    weak.
    """
    held = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in held or f'"{cursor}"' in {tag.removeprefix("W/") for tag in held}


def not_modified(cursor: Cursor) -> HttpResponseNotModified:
    """The 304 to a client that holds the answer already."""
    return HttpResponseNotModified(headers=etag_header(cursor))
