"""Who acts from the admin, for the log of changes."""

from __future__ import annotations

from django.http import HttpRequest

from notifications.models import Via
from notifications.services import Provenance
from notifications.system.addresses import normal_address


def provenance_of(request: HttpRequest) -> Provenance:
    """The member of staff, the admin as the door, and the peer's address."""
    address = normal_address(str(request.META.get("REMOTE_ADDR") or ""))
    return Provenance(by=username_of(request), via=Via.ADMIN, address=address)


def username_of(request: HttpRequest) -> str:
    """The username of the member of staff."""
    return str(request.user.get_username())
