"""Authenticates a request by a bearer token, or else by Django's session (protocol, section 2).

Who that is, and from where, is recorded with each change that the request makes (``provenance_of``).
"""

from __future__ import annotations

from typing import Any, Final

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from notifications import permissions, selectors, services
from notifications.exceptions import MissingScope, NotAProducer
from notifications.models import ApiToken, Via
from notifications.protocol.problems import CHALLENGE
from notifications.rest.http.errors import CsrfFailed
from notifications.services import Provenance
from notifications.services.credentials.tokens import bearer_of
from notifications.system.addresses import normal_address

MAX_BY_LENGTH: Final = 254


class BearerAuthentication(BaseAuthentication):
    """Authenticates by an API token alone: a bad one never falls back to the cookie. No CSRF token is needed.

    It is the first in the list, because the first one's challenge makes an answer 401 rather than 403.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """Return the token's user and the token; None when there is no bearer token. One query.

        Raises:
            AuthenticationFailed: it is malformed, repeated, unknown, expired or revoked, or its user is
                inactive.
        """
        text = bearer_of(request.headers.get("Authorization", ""))
        if text is None:
            return None
        token = services.usable_token(text)
        if token is None:
            raise AuthenticationFailed
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the value of ``WWW-Authenticate``."""
        return CHALLENGE


class SessionLogin(SessionAuthentication):
    """Authenticates by the session; unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return the session's user; None without one. Two queries.

        Raises:
            CsrfFailed: as ``enforce_csrf``.
        """
        django_request: Any = request._request
        # Django's middleware keeps the user here once it has looked one up.
        if hasattr(django_request, "session") and not hasattr(django_request, "_cached_user"):
            user = selectors.user_of_session(django_request.session)
            if user is not None:
                django_request._cached_user = user
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        """Check the CSRF token of an unsafe method.

        Raises:
            CsrfFailed: it is missing or wrong.
        """
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise CsrfFailed from None


class HasScope(BasePermission):
    """Allows a token what its scopes say, and a session everything that its user may do."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True.

        Raises:
            MissingScope: the token lacks the one that the view's ``needed_scope`` names, if it names one.
        """
        if (token := token_of(request)) is not None:
            needed = view.needed_scope(request)
            if needed and needed not in token.scope_set:
                raise MissingScope(needed)
        return True


class IsProducer(BasePermission):
    """Allows users who may send notifications at this moment; a token needs its scope in addition."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True.

        Raises:
            NotAProducer: the user may not send.
        """
        if not selectors.has_permission(request.user, permissions.SEND):
            raise NotAProducer
        return True


def token_of(request: Request) -> ApiToken | None:
    """Return the token of a request; None with a session."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def provenance_of(request: Request) -> Provenance:
    """Return the user, the way in (session or token, with its name) and the peer's address."""
    token = token_of(request)
    username = request.user.get_username()
    return Provenance(
        by=f"{username} ({token.name})"[:MAX_BY_LENGTH] if token else username,
        via=Via.API if token else Via.PAGE,
        address=normal_address(request.META.get("REMOTE_ADDR") or ""),
    )
