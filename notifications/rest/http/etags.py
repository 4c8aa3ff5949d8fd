"""Strong ETags made from the inbox's cursor; they are exact, because every change takes a position."""

from __future__ import annotations

from django.http import HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request

from notifications.protocol.cursors import Cursor


def etag_header(cursor: Cursor) -> dict[str, str]:
    """Return the ETag header of an answer that shows the inbox at ``cursor``."""
    return {"ETag": f'"{cursor}"'}


def is_current(request: Request, cursor: Cursor) -> bool:
    """Return whether the client has the answer already.

    The tags are compared weakly, as RFC 9110 requires for ``If-None-Match``: a proxy that compresses turns
    our strong tag into a weak one.
    """
    etags = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in etags or f'"{cursor}"' in {tag.removeprefix("W/") for tag in etags}


def not_modified(cursor: Cursor) -> HttpResponseNotModified:
    """Return a 304 for a client that has the answer already."""
    return HttpResponseNotModified(headers=etag_header(cursor))
