"""The event types for what happens to an account."""

from __future__ import annotations

from typing import Literal

from notifications.event_types import EventType

RevokedBy = Literal["password_change", "staff"]


class SessionNew(EventType, name="security.session.new", over_http=False):
    """Somebody logged in.

    ``address`` and ``browser`` are empty when they are not known; ``agent`` is the ``User-Agent`` header as
    it was sent.
    """

    address: str
    browser: str
    agent: str


class LoginFailed(EventType, name="security.login.failed", level="warning", over_http=False):
    """Somebody could not log in: how often, from one address within one hour.

    The count is exact below 100; above that, it was at least so many. With ``several``, addresses beyond
    those that a user is told by name in an hour are counted together, and ``address`` is the latest of them.
    """

    address: str
    count: int
    first_at: str
    last_at: str
    several: bool


class PasswordChanged(EventType, name="security.password.changed", level="warning", over_http=False):
    """The password was changed.

    ``address`` and ``browser`` are those of the client that changed it, and empty when that was no browser.
    """

    address: str
    browser: str


class SessionRevoked(EventType, name="security.session.revoked", level="warning", over_http=False):
    """Sessions were ended by a password change or by staff: how many, and by which of the two."""

    count: int
    by: RevokedBy
