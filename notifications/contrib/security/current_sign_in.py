"""The request that the running code serves, and the sign-in of its session."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from django.http import HttpRequest

from notifications.contrib.security.models import SignIn

# The entry of a session that holds its sign-in's key. The session's own key would not do, because Django
# replaces it whenever the password changes.
SESSION_MARK: Final = "notification_hub_security_sign_in"

current_request: Final[ContextVar[HttpRequest | None]] = ContextVar(
    "notification_hub_security_request", default=None
)


def current_sign_in() -> SignIn | None:
    """Return the sign-in of the running request's session; None without a request or a sign-in.

    It reads the session and never ``request.user``: in the middle of a password change, that would find the
    session's hash outdated and flush the session.
    """
    request = current_request.get()
    session = getattr(request, "session", None)
    mark = session.get(SESSION_MARK) if session is not None else None
    return SignIn.objects.select_related("user").filter(pk=mark).first() if mark else None
