"""Strong ETags: the inbox's cursor, which is exact because every change takes a position, or a digest."""

from __future__ import annotations

from django.http import HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.request import Request

from notifications.protocol.cursors import Cursor


def etag_header(tag: Cursor | str) -> dict[str, str]:
    """Return the ETag header of an answer that shows the inbox at a cursor, or that has a digest."""
    return {"ETag": f'"{tag}"'}


def is_current(request: Request, tag: Cursor | str) -> bool:
    """Return whether the client has the answer already.

    The tags are compared weakly, as RFC 9110 requires for ``If-None-Match``: a proxy that compresses turns
    our strong tag into a weak one.
    """
    etags = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in etags or f'"{tag}"' in {etag.removeprefix("W/") for etag in etags}


def not_modified(tag: Cursor | str) -> HttpResponseNotModified:
    """Return a 304 for a client that has the answer already."""
    return HttpResponseNotModified(headers=etag_header(tag))
