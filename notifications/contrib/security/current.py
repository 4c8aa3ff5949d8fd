"""The request that the running code serves, and the sign-in whose session it came with."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from django.http import HttpRequest

from notifications.contrib.security.models import SignIn

# What a session calls its sign-in: a value inside it, because Django gives a session a new key whenever the
# password changes.
SESSION_MARK: Final = "notification_hub_security_sign_in"

current_request: Final[ContextVar[HttpRequest | None]] = ContextVar(
    "notification_hub_security_request", default=None
)


def current_sign_in() -> SignIn | None:
    """The sign-in of the session that the running request came with; None outside a request, and for one
    without it.

    It reads the session and never ``request.user``: in the middle of a password change that would find the
    session's hash outdated and flush it.
    """
    request = current_request.get()
    session = getattr(request, "session", None)
    mark = session.get(SESSION_MARK) if session is not None else None
    return SignIn.objects.select_related("user").filter(pk=mark).first() if mark else None
