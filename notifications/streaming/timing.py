"""Limits and times of the stream that no setting changes, and the jitter that keeps clients apart."""

from __future__ import annotations

import random
from typing import Final

from notifications.conf import MAX_HEARTBEAT_SECONDS, MIN_HEARTBEAT_SECONDS, hub_config

MAX_QUERY_BYTES: Final = 64 * 1024  # 50 topics of 100 characters, percent-encoded, fit
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_PARAMETERS: Final = 1_000
MAX_WRITE_BYTES: Final = 64 * 1024  # one write to the server; a larger frame goes alone, never in parts
MAX_USERS_PER_QUERY: Final = 500  # with MIN_ROWS_PER_USER rows each, so that no query takes long
MIN_ROWS_PER_USER: Final = 8
MAX_REPAIRS_PER_TICK: Final = 1_000  # groups joined again at one reconciliation; the rest at the next
MIN_REFILL_SECONDS: Final = 0.01
MAX_BACKOFF_SECONDS: Final = 10.0
LIMIT_RETRY_FACTOR: Final = 5
# A client of the Range dialect gives up for good when it cannot connect, so a process that stops leaves the
# next one this much time to start.
RESTART_MS: Final = 5_000
# The jitter of everything that is done at intervals. Processes that were started together, and streams that
# were opened together after a restart, would otherwise act at the same moments for ever. With it they drift
# apart within a few intervals, and each interval stays near the value of its setting.
JITTER: Final = 0.2


def with_jitter(value: float, part: float = JITTER) -> float:
    """Return ``value``, changed at random by at most ``part`` of itself in either direction."""
    return value * random.uniform(1 - part, 1 + part)  # noqa: S311 (keeps clients apart, hides nothing)


def retry_ms(reason: str = "") -> int:
    """Return the milliseconds after which a client is to reconnect.

    Args:
        reason: why its stream closes. A client that met its user's limit waits longer.
    """
    factor = LIMIT_RETRY_FACTOR if reason == "limit" else 1
    return round(with_jitter(hub_config().retry_milliseconds * factor, 0.5))


def restart_ms() -> int:
    """Return the milliseconds after which a client is to reconnect that must not find the hub still down."""
    return max(RESTART_MS, hub_config().retry_milliseconds) + retry_ms()


def backoff_seconds(failures: int) -> float:
    """Return the pause after so many failures in a row: doubling, with jitter that keeps processes apart."""
    return with_jitter(min(MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 10)), 0.25)


def clamp_heartbeat(text: str | None) -> int:
    """Return the seconds between heartbeats that a client asked for, limited to 5–300.

    Text that is not a number gives the default.
    """
    try:
        seconds = float(text) if text else float("nan")
    except ValueError:
        seconds = float("nan")
    if seconds != seconds:  # not a number
        return hub_config().heartbeat_seconds
    return int(min(max(seconds, MIN_HEARTBEAT_SECONDS), MAX_HEARTBEAT_SECONDS))
