"""Whose request it is, when it may have come through a proxy: settled once, for views, streams and the access
log alike.
"""

from __future__ import annotations

from notifications.conf import hub_config
from notifications.streaming.asgi import Headers, Scope
from notifications.system.addresses import normal_address, trusted_proxies

FORWARDED_PREFIX = b"x-forwarded-"


def settle_client(scope: Scope) -> None:
    """Put the client's address into the scope, and take out what a stranger claims of itself.

    In place, because the server writes its access log from the same scope. From a peer that is no trusted
    proxy no ``X-Forwarded-…`` header goes any further: nobody can say of himself that he came by https.
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
