"""The CORS headers for pages of other sites whose origin is listed in ``HUB_CORS_ORIGINS``.

They are the same for the stream and the API. Without the list, no answer has any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from notifications.conf import hub_config

PREFLIGHT_SECONDS: Final = 600  # how long a browser remembers the answer to a preflight
_REQUEST_HEADERS: Final = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
    "Range, X-CSRFToken, "
    "X-Request-ID"
)
# In addition to those that any page may read.
_ANSWER_HEADERS: Final = (
    "Content-Range, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, "
    "WWW-Authenticate, "
    "X-Poll-Interval, X-Request-ID"
)


def cors_headers(origin: str | None) -> Mapping[str, str]:
    """Return the headers of every answer to a page of this origin; none if the origin is not listed."""
    if origin is None or origin not in hub_config().cors_origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _ANSWER_HEADERS,
    }


def preflight_headers(
    origin: str | None, requested_method: str | None, methods: Collection[str]
) -> Mapping[str, str] | None:
    """Return the headers of the answer to a preflight request.

    Args:
        origin: of the page.
        requested_method: the method that the page wants to use; None when the request is no preflight.
        methods: those that are allowed.

    Returns:
        None when nothing is allowed.
    """
    allowed = cors_headers(origin)
    if not allowed or requested_method not in methods:
        return None
    return {
        **allowed,
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": _REQUEST_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
