"""The declared event types, for any authenticated caller: what may be sent, and how to show it."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.event_types import registry
from notifications.exceptions import NotFound
from notifications.rest.http import etags
from notifications.rest.inbox import HubView


class AnyTokenView(HubView):
    """The base of endpoints for any authenticated caller."""

    def needed_scope(self, request: Request) -> str:
        """Return no scope: any token will do."""
        return ""


class EventTypesView(AnyTokenView):
    """``/event-types``"""

    def get(self, request: Request) -> HttpResponseBase:
        """Return all declared types, ordered by name."""
        return _answer(request, [event_type.describe() for event_type in registry])


class EventTypeView(AnyTokenView):
    """``/event-types/{name}``"""

    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Return one of them."""
        event_type = registry.get(name)
        if event_type is None:
            raise NotFound("No installed app declares this event type.")
        return _answer(request, event_type.describe())


def _answer(request: Request, body: Any) -> HttpResponseBase:
    """Return a body, whose labels are in the active language, or 304 while it is the same."""
    content = orjson.dumps(body)
    tag = hashlib.blake2b(content, digest_size=16).hexdigest()
    if etags.is_current(request, tag):
        return etags.not_modified(tag)
    return Response(orjson.Fragment(content), headers=etags.etag_header(tag))
