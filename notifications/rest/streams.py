"""The user's open streams, ending one, and the tickets that open one.

A ticket is issued for the requesting user, or by a producer for a named user.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from rest_framework.request import Request
from rest_framework.response import Response

from notifications import permissions, selectors, services
from notifications.exceptions import InvalidInput, NotAProducer, NotFound, OutsideLimits
from notifications.models import EndReason, Scope
from notifications.rest import answers
from notifications.rest.http.authentication import token_of
from notifications.rest.inbox import HubView
from notifications.rest.inputs import parse_ticket
from notifications.services.credentials.tickets import TICKET_SECONDS


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


class TicketView(HubView):
    """``/stream/ticket``"""

    @property
    def default_response_headers(self) -> dict[str, str]:
        """A ticket is a credential, so no cache may store the answer."""
        return super().default_response_headers | {"Cache-Control": "no-store"}

    def needed_scope(self, request: Request) -> str:
        """Return the scope: to read for the user's own stream, to publish for another user's."""
        return Scope.READ if _requested_username(request) is None else Scope.PUBLISH

    def post(self, request: Request) -> Response:
        """Issue a ticket; 400 for a user who does not exist or is not active."""
        name = _requested_username(request)
        user = request.user if name is None else _recipient(request, name)
        token = token_of(request)
        session_key = None if token else request.session.session_key
        ticket = services.issue_ticket(user, token=token, session_key=session_key, requested_by=request.user)
        return Response({"ticket": ticket, "expires_in": TICKET_SECONDS}, status=201)


def _requested_username(request: Request) -> str | None:
    # The body may be left out, and its Content-Type with it.
    return parse_ticket(request.data if request.method == "POST" and request.body else {})


def _recipient(request: Request, name: str) -> Any:
    if not selectors.has_permission(request.user, permissions.SEND):
        raise NotAProducer
    token = token_of(request)
    # A token has the scope `publish` on purpose. With a session alone, everybody who may send to people could
    # read what others send to them.
    if token is None and not selectors.has_permission(request.user, permissions.VIEW_CONTENT):
        raise NotAProducer(
            "A ticket for another's stream needs the permission to view the content of notifications, or a "
            "token with the scope publish."
        )
    if token is not None and token.send_limits:
        raise OutsideLimits(
            "This token may send only some types or topics, and a stream shows all of them; use a token "
            "without limits."
        )
    user = selectors.active_user(**{get_user_model().USERNAME_FIELD: name})
    if user is None:
        raise InvalidInput({"user": "there is no active user of this name"})
    return user
