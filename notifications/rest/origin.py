"""Where a request comes from, as it is recorded with each change."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from rest_framework.request import Request

from notifications.models import Via
from notifications.rest.authentication import SessionLogin
from notifications.services import Origin


def origin_of(request: Request) -> Origin:
    """The user, the door (the page logs in with a session, programs with a token) and the peer's address."""
    is_page = isinstance(request.successful_authenticator, SessionLogin)
    return Origin(
        by=request.user.get_username(),
        via=Via.PAGE if is_page else Via.API,
        address=peer_address(request.META.get("REMOTE_ADDR", "")),
    )


def peer_address(text: str) -> str | None:
    """An IP address as every database stores it: without a zone; None for a Unix socket, which has none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
