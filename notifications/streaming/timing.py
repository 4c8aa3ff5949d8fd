"""Bounds and spreads of the stream that no setting changes, and the jitter that keeps clients apart."""

from __future__ import annotations

import random
from typing import Final

from notifications.conf import MAX_HEARTBEAT_SECONDS, MIN_HEARTBEAT_SECONDS, hub_config

MAX_QUERY_BYTES: Final = 64 * 1024  # 50 topics of 100 characters, percent-encoded, fit
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_PARAMETERS: Final = 1_000
MAX_WRITE_BYTES: Final = 64 * 1024  # one write to the server; a larger frame goes alone, never in parts
MAX_USERS_PER_QUERY: Final = 500  # with MIN_ROWS_PER_USER each: one query stays short enough for the others
MIN_ROWS_PER_USER: Final = 8
MAX_REPAIRS_PER_TICK: Final = 1_000  # groups rejoined at a reconciliation; more wait their turn
MIN_REFILL_SECONDS: Final = 0.01
MAX_BACKOFF_SECONDS: Final = 10.0
LIMIT_RETRY_FACTOR: Final = 5
# Clients of the Range dialect end for good where nobody listens, so a process that stops leaves the next one
# time to start.
RESTART_MS: Final = 5_000


# Of whatever is done at intervals. Processes that were started together, and streams that were opened
# together after a restart, would go on together; so they have drifted apart after a few rounds, and an
# interval stays near to what the settings say.
JITTER: Final = 0.2


def with_jitter(value: float, part: float = JITTER) -> float:
    """``value``, moved at random by at most ``part`` of itself to either side."""
    return value * random.uniform(1 - part, 1 + part)  # noqa: S311 (keeps clients apart, hides nothing)


def retry_ms(reason: str = "") -> int:
    """After how many milliseconds one client is to come back; later than others one that met the limit of its
    user.
    """
    factor = LIMIT_RETRY_FACTOR if reason == "limit" else 1
    return round(with_jitter(hub_config().retry_milliseconds * factor, 0.5))


def restart_ms() -> int:
    """After how many milliseconds a client is to come back that must not meet a hub which is still
    starting.
    """
    return max(RESTART_MS, hub_config().retry_milliseconds) + retry_ms()


def backoff_seconds(failures: int) -> float:
    """A doubling pause after that many failures in a row, with_jitter so that processes do not retry together."""
    return with_jitter(min(MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 10)), 0.25)


def clamp_heartbeat(text: str | None) -> int:
    """The seconds between heartbeats that a client asked for, within 5–300; the default for what is no
    number.
    """
    try:
        seconds = float(text) if text else float("nan")
    except ValueError:
        seconds = float("nan")
    if seconds != seconds:  # not a number
        return hub_config().heartbeat_seconds
    return int(min(max(seconds, MIN_HEARTBEAT_SECONDS), MAX_HEARTBEAT_SECONDS))
