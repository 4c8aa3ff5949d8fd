"""Who acts from the admin, for the log of changes."""

from __future__ import annotations

from django.http import HttpRequest

from notifications.models import Via
from notifications.services import Origin
from notifications.system.addresses import normal_address


def origin_of(request: HttpRequest) -> Origin:
    """The member of staff, the admin as the door, and the peer's address."""
    address = normal_address(str(request.META.get("REMOTE_ADDR") or ""))
    return Origin(by=username_of(request), via=Via.ADMIN, address=address)


def username_of(request: HttpRequest) -> str:
    """The username of the member of staff."""
    return str(request.user.get_username())
