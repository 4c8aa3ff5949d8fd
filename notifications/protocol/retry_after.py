"""How long a refused client is asked to wait: the values of ``Retry-After`` (RFC 9110, section 10.2.3).

Two answers compute their own: a client that asks too often is told when its next request will be taken
(``http.token_buckets``), and a stream that is closed is told in its last frame (``streaming.timing``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

# By the code of a problem; with any other code waiting does not help.
SECONDS: Final[Mapping[str, int]] = {"throttled": 1, "stream_limit": 10, "unavailable": 2}
NOT_READY_SECONDS: Final = 1
TOO_MANY_EXPORTS_SECONDS: Final = 10


def retry_after(code: str) -> str | None:
    """Return the value for a problem, ± 50 %; None when waiting does not help.

    It is random, so that clients which were refused together do not come back together.
    """
    if (seconds := SECONDS.get(code)) is None:
        return None
    return str(random.randint((seconds + 1) // 2, seconds + seconds // 2))  # noqa: S311 (no secret)
