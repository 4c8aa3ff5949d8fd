"""The endpoint of a large send: its progress, and canceling it."""

from __future__ import annotations

from uuid import UUID

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import selectors, services
from notifications.models import Scope
from notifications.rest import answers
from notifications.rest.http.authentication import HasScope, IsProducer
from notifications.rest.inbox import HubView


class JobView(HubView):
    """``/publish/jobs/{id}``: only the user's own sends; those of others look as if they did not exist."""

    permission_classes = (IsAuthenticated, HasScope, IsProducer)

    def needed_scope(self, request: Request) -> str:
        """Return the scope of sending."""
        return Scope.PUBLISH

    def get(self, request: Request, broadcast_id: UUID) -> Response:
        """Return its progress."""
        return Response(answers.job_body(selectors.get_broadcast(broadcast_id, owner_id=request.user.pk)))

    def delete(self, request: Request, broadcast_id: UUID) -> Response:
        """Cancel it, and return how far it came.

        Users who have been notified stay so. A second call changes nothing.
        """
        return Response(answers.job_body(services.cancel_broadcast(broadcast_id, owner_id=request.user.pk)))
