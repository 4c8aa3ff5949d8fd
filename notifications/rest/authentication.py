"""Who asks: a bearer token, else the session of Django's login (protocol, section 2)."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from notifications.rest.errors import CsrfFailed

CHALLENGE = 'Bearer realm="hub"'


class BearerAuthentication(BaseAuthentication):
    """Refuses every bearer token, since none has been issued, and never falls back to the cookie that came with it.

    It stands first in the list, because the first one's challenge makes an answer 401 rather than 403.
    """

    def authenticate(self, request: Request) -> None:
        """None when there is no bearer token.

        Raises:
            AuthenticationFailed: there is one.
        """
        words = request.headers.get("Authorization", "").split()
        if words and words[0].lower() == "bearer":
            raise AuthenticationFailed

    def authenticate_header(self, request: Request) -> str:
        """What ``WWW-Authenticate`` says."""
        return CHALLENGE


class SessionLogin(SessionAuthentication):
    """The session; unsafe methods need the CSRF token."""

    def enforce_csrf(self, request: Request) -> None:
        """Check the CSRF token of an unsafe method.

        Raises:
            CsrfFailed: it is missing or wrong.
        """
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise CsrfFailed from None
