"""The user's own open streams: which devices are connected, and ending one."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from notifications import selectors, services
from notifications.exceptions import NotFound
from notifications.models import EndReason
from notifications.rest import answers
from notifications.rest.inbox import HubView


class StreamsView(HubView):
    """``/streams``"""

    def get(self, request: Request) -> Response:
        """Return all open streams of any process, oldest first; they are never many."""
        return Response(answers.streams_body(selectors.open_streams(request.user.pk)))


class StreamView(HubView):
    """``/streams/{id}``"""

    def delete(self, request: Request, stream_id: UUID) -> Response:
        """End a stream, whichever process serves it."""
        if not services.end_streams([stream_id], EndReason.REVOKED, user_id=request.user.pk):
            raise NotFound("There is no such stream open.")
        return Response(status=204)
