"""Finds the client behind proxies, once for views, streams and the access log."""

from __future__ import annotations

from notifications.conf import hub_config
from notifications.streaming.asgi import Headers, Scope
from notifications.system.addresses import normal_address, trusted_proxies

FORWARDED_PREFIX = b"x-forwarded-"


def settle_client(scope: Scope) -> None:
    """Put the client's address into the scope, and remove what a stranger claims about itself.

    The scope is changed in place, because the server writes its access log from the same scope.
    ``X-Forwarded-…`` headers from a peer that is not a trusted proxy are removed, so that no client can claim
    to have used https.
    """
    trusted = trusted_proxies(hub_config().trusted_proxies)
    client = scope.get("client")
    peer = normal_address(client[0]) if client else None
    if peer in trusted:
        address = trusted.client_address(peer, Headers(scope).all("x-forwarded-for"))
        if address != peer:
            scope["client"] = (address, 0)
        return
    kept = [
        header
        for header in scope["headers"]
        # Django reads an underscore as a hyphen.
        if not header[0].lower().replace(b"_", b"-").startswith(FORWARDED_PREFIX)
    ]
    if len(kept) < len(scope["headers"]):
        scope["headers"] = kept
