"""Who asks, and by which credential: a bearer token, else the session of Django's login (protocol, section
2).
"""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from notifications import permissions, selectors, services
from notifications.exceptions import MissingScope, NotAProducer
from notifications.models import ApiToken
from notifications.protocol.problems import CHALLENGE
from notifications.rest.http.errors import CsrfFailed
from notifications.services.credentials.bearer import bearer_of


class BearerAuthentication(BaseAuthentication):
    """An API token decides alone: a bad one never falls back to the cookie that came with it. No CSRF token
    is needed.

    It stands first in the list, because the first one's challenge makes an answer 401 rather than 403.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """The token's user and the token; None when there is no bearer token. One query.

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
        """What ``WWW-Authenticate`` says."""
        return CHALLENGE


class SessionLogin(SessionAuthentication):
    """The session; unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """The session's user; None without one. Two queries.

        Raises:
            CsrfFailed: as ``enforce_csrf``.
        """
        asked: Any = request._request
        # Where Django's middleware keeps the user that it has found, if it has looked already.
        if hasattr(asked, "session") and not hasattr(asked, "_cached_user"):
            user = selectors.user_of_session(asked.session)
            if user is not None:
                asked._cached_user = user
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
    """A token may do what its scopes say; a session may do all that its user may."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True.

        Raises:
            MissingScope: the token lacks the one that the view's ``needed_scope`` names.
        """
        if (token := token_of(request)) is not None:
            needed = view.needed_scope(request)
            if needed not in token.scope_set:
                raise MissingScope(needed)
        return True


class IsProducer(BasePermission):
    """Whether the user may send notifications, at this moment; a token needs its scope besides."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True.

        Raises:
            NotAProducer: the user may not.
        """
        if not selectors.has_permission(request.user, permissions.SEND):
            raise NotAProducer
        return True


def token_of(request: Request) -> ApiToken | None:
    """The token that a request came with; None with a session."""
    return request.auth if isinstance(request.auth, ApiToken) else None
