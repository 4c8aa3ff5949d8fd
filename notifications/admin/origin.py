"""Who acts from the admin, for the log of changes."""

from __future__ import annotations

from ipaddress import ip_address

from django.http import HttpRequest

from notifications.models import Via
from notifications.services import Origin


def origin_of(request: HttpRequest) -> Origin:
    """The member of staff, the admin as the door, and the peer's address."""
    return Origin(by=username_of(request), via=Via.ADMIN, address=_address(request))


def username_of(request: HttpRequest) -> str:
    """The username of the member of staff."""
    return str(request.user.get_username())


def _address(request: HttpRequest) -> str | None:
    # A server behind a Unix socket has no peer address; a link-local one may carry its interface, which no column takes.
    try:
        return str(ip_address(str(request.META.get("REMOTE_ADDR", "")).partition("%")[0]))
    except ValueError:
        return None
