"""Where a request carries a token: in ``Authorization: Bearer``, once, and never in its URL. Pure; for REST
and the stream.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from notifications.exceptions import InvalidInput

LONG_LIVED_CREDENTIALS: Final = ("token", "access_token", "api_key")

# A header that was sent twice arrives joined by commas.
_ANY: Final = re.compile(r"(?:^|,)\s*bearer(?=[\s,]|$)", re.IGNORECASE)
_ONE: Final = re.compile(r"\s*bearer +([^\s,]+)\s*", re.IGNORECASE)


def bearer_of(authorization: str) -> str | None:
    """The text of the bearer token in an ``Authorization`` header.

    Returns:
        None when there is none, in another scheme for example; empty for one that is malformed, or for
        several: such a request has brought a bad credential, and nothing else that it brings may stand in for
        it.
    """
    if not _ANY.search(authorization):
        return None
    found = _ONE.fullmatch(authorization)
    return found[1] if found else ""


def refuse_in_url(names: Container[str]) -> None:
    """Refuse a request whose URL has a long-lived credential, which logs and histories would keep.

    Args:
        names: of the query parameters.

    Raises:
        InvalidInput: one entry for each.
    """
    if leaked := [name for name in LONG_LIVED_CREDENTIALS if name in names]:
        raise InvalidInput(
            dict.fromkeys(leaked, "must not stand in a URL, which logs keep; send Authorization: Bearer")
        )
