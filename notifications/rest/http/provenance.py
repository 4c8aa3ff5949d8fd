"""Records who made a request, and from where, with each change that it makes."""

from __future__ import annotations

from typing import Final

from rest_framework.request import Request

from notifications.models import Via
from notifications.rest.http.authentication import token_of
from notifications.services import Provenance
from notifications.system.addresses import normal_address

MAX_BY_LENGTH: Final = 254


def provenance_of(request: Request) -> Provenance:
    """Return the user, the way in (session or token, with its name) and the peer's address."""
    token = token_of(request)
    username = request.user.get_username()
    return Provenance(
        by=f"{username} ({token.name})"[:MAX_BY_LENGTH] if token else username,
        via=Via.API if token else Via.PAGE,
        address=normal_address(request.META.get("REMOTE_ADDR") or ""),
    )
