"""What a page of another site needs in order to use the hub: only if its origin is on the exact list
(``HUB_CORS_ORIGINS``).

For the stream and the API alike. Without the list there is nothing of it in any answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from notifications.conf import hub_config

PREFLIGHT_SECONDS: Final = 600  # a browser remembers so long that it may ask
_REQUEST_HEADERS: Final = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
    "Range, X-CSRFToken, "
    "X-Request-ID"
)
# Beyond those that any page may read.
_ANSWER_HEADERS: Final = (
    "Content-Range, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, "
    "WWW-Authenticate, "
    "X-Poll-Interval, X-Request-ID"
)


def cors_headers(origin: str | None) -> Mapping[str, str]:
    """The headers of every answer to a page of this origin; none if it is not on the list."""
    if origin is None or origin not in hub_config().cors_origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _ANSWER_HEADERS,
    }


def preflight_headers(
    origin: str | None, asked: str | None, methods: Collection[str]
) -> Mapping[str, str] | None:
    """The headers of the answer when a browser asks, by OPTIONS, whether such a page may send a request.

    Args:
        origin: of the page.
        asked: the method that it asks for; None when it asks for none, and then this is no such question.
        methods: those that may be asked for.

    Returns:
        None for whom nothing is allowed.
    """
    allowed = cors_headers(origin)
    if not allowed or asked not in methods:
        return None
    return {
        **allowed,
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": _REQUEST_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
