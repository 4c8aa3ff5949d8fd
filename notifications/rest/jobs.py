"""The endpoint of a large send: how far it is, and its end."""

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
    """``/publish/jobs/{id}``: one's own sends alone; everybody else's look as if they did not exist."""

    permission_classes = (IsAuthenticated, HasScope, IsProducer)

    def needed_scope(self, request: Request) -> str:
        """That of sending."""
        return Scope.PUBLISH

    def get(self, request: Request, broadcast_id: UUID) -> Response:
        """How far it is."""
        return Response(answers.job_body(selectors.get_broadcast(broadcast_id, owner_id=request.user.pk)))

    def delete(self, request: Request, broadcast_id: UUID) -> Response:
        """End it; how far it came. Who has been notified stays so. Doing it again changes nothing."""
        return Response(answers.job_body(services.cancel_broadcast(broadcast_id, owner_id=request.user.pk)))
