"""The hub's own settings: one frozen, typed object, read once from Django's ``NOTIFICATION_HUB``.

Each field states its unit, its default and its reason. A process with an unknown name or an absurd value does
not start, and says which name it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from notifications.system import environment
from notifications.system.addresses import TrustedProxies

SETTING_NAME: Final = "NOTIFICATION_HUB"
ENVIRON_PREFIX: Final = "HUB_"
# The bounds for what a client may ask for, and for the default.
MIN_HEARTBEAT_SECONDS: Final = 5
MAX_HEARTBEAT_SECONDS: Final = 300


def option(
    default: Any,
    *,
    minimum: float = 0,
    maximum: float = float("inf"),
    check: Callable[[Any], object] | None = None,
    is_secret: bool = False,
    why: str,
) -> Any:
    """Declare a setting with its bounds (inclusive), a check, and its reason.

    Args:
        check: raises ``ValueError`` for a value that is impossible.
        is_secret: the value is left out of the object's repr.
        why: what the documentation shows.
    """
    metadata = {"minimum": minimum, "maximum": maximum, "check": check, "why": why}
    return field(default=default, metadata=metadata, repr=not is_secret)


def check_origins(origins: Iterable[str]) -> None:
    """Refuse what no browser ever sends as ``Origin``, and what would admit every site.

    Raises:
        ValueError: with the wrong origin.
    """
    for origin in origins:
        if not environment.is_origin(origin):
            raise ValueError(origin)


def check_installation(name: str) -> None:
    """Refuse a name that could be read as two, by people or in an environment file.

    Raises:
        ValueError: with the name.
    """
    if name and not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name, re.ASCII):
        raise ValueError(name)


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """The settings. Durations have their unit in the name; counts and sizes begin with ``max_``."""

    heartbeat_seconds: int = option(
        15,
        minimum=MIN_HEARTBEAT_SECONDS,
        maximum=MAX_HEARTBEAT_SECONDS,
        why="seconds between heartbeats; under the 30–60 s after which proxies cut a quiet answer",
    )
    reconcile_seconds: float = option(
        5.0,
        minimum=0.05,
        maximum=300,
        why="seconds between two looks at the heads; bounds staleness when every hint is lost",
    )
    sweep_seconds: float = option(
        2.0,
        minimum=0.05,
        maximum=300,
        why="seconds between two runs of the sweeper; bounds how late a scheduled notification is",
    )
    database_watch_seconds: float = option(
        0.1,
        minimum=0.01,
        maximum=60,
        why="seconds between two looks at SQLite's data_version, by which other processes' commits show",
    )
    max_stream_seconds: int = option(
        600,
        minimum=1,
        maximum=86_400,
        why="seconds after which a stream is rotated, ± 20 %, so that load spreads over workers again",
    )
    max_streams_per_user: int = option(
        6,
        minimum=1,
        maximum=1_000,
        why="streams that one user may have open over all workers; browsers open six connections to a host "
        "over HTTP/1.1",
    )
    max_staff_streams: int = option(
        20,
        minimum=0,
        maximum=10_000,
        why="live tails and replays that staff may have open in one process; they count as no user's streams",
    )
    max_exports: int = option(
        4,
        minimum=1,
        maximum=1_000,
        why="exports that staff may have under way in one process; the next one is told to come back",
    )
    worker_lost_seconds: float = option(
        45.0,
        minimum=1,
        maximum=3_600,
        why="seconds without a sign of life after which a worker is lost: its streams no longer count, their "
        "records are closed, and its supervisor ends it",
    )
    stream_session_days: int = option(
        30,
        minimum=2,
        maximum=3_650,
        why="days that records of streams are kept: who was connected, and what was delivered",
    )
    slow_reader_seconds: float = option(
        30.0,
        minimum=0.5,
        maximum=600,
        why="seconds that a reader may take nothing before its stream is closed, and any other answer broken "
        "off",
    )
    drain_seconds: float = option(
        5.0, minimum=0.1, maximum=60, why="seconds within which open streams are closed at a stop"
    )
    retry_milliseconds: int = option(
        2_000,
        minimum=100,
        maximum=600_000,
        why="milliseconds a client waits before it comes back, jittered by ± 50 %",
    )
    max_queue_frames: int = option(
        256,
        minimum=1,
        maximum=100_000,
        why="frames that may wait for one connection; then it refills from the log",
    )
    max_queue_bytes: int = option(
        1_048_576,
        minimum=65_536,
        maximum=2**30,
        why="bytes that may wait for one connection; one frame is always admitted",
    )
    max_stream_bytes: int = option(
        16_777_216,
        minimum=65_536,
        maximum=2**40,
        why="bytes after which a stream is rotated under a server that does not say whether its reader keeps "
        "up",
    )
    max_backlog_page: int = option(
        200, minimum=1, maximum=10_000, why="changes read at a time for a backlog or a refill"
    )
    max_exact_backlog: int = option(
        1_000,
        minimum=0,
        maximum=10_000_000,
        why="changes that a client may be behind and still get each one; a longer backlog is compacted, with "
        "0 every one",
    )
    max_backlog: int = option(
        250_000,
        minimum=0,
        maximum=2**53,
        why="changes behind which a cursor is reset with `too_far`, because a new list is cheaper; 0 for no "
        "such limit",
    )
    max_openings: int = option(
        3,
        minimum=1,
        maximum=1_000,
        why="streams that one process opens at once; the others wait in line, so that open ones stay live",
    )
    max_waiting_openings: int = option(
        1_000,
        minimum=0,
        maximum=1_000_000,
        why="streams that may wait in that line; further ones are told to come back later",
    )
    max_resumes: int = option(
        2,
        minimum=1,
        maximum=1_000,
        why="backlogs that one process reads at once, a page each in turn, so that open streams stay live",
    )
    max_sequence_chunk: int = option(
        500,
        minimum=1,
        maximum=10_000,
        why="inboxes locked by one transaction; short enough for readers to wait",
    )
    lock_timeout_seconds: float = option(
        2.0,
        minimum=0.05,
        maximum=60,
        why="seconds the sequencer waits for an inbox lock; after that the sweeper has it",
    )
    broadcast_lease_seconds: float = option(
        15.0,
        minimum=0.5,
        maximum=600,
        why="seconds after which another process goes on with a broadcast or a replay whose process is gone",
    )
    poll_interval_seconds: int = option(
        15,
        minimum=1,
        maximum=3_600,
        why="seconds between polls that X-Poll-Interval asks of clients that cannot stream",
    )
    max_poll_interval_seconds: int = option(
        300,
        minimum=1,
        maximum=86_400,
        why="seconds between polls that X-Poll-Interval asks for at most, however busy the process is",
    )
    max_requests_per_minute: int = option(
        6_000,
        minimum=0,
        maximum=100_000_000,
        why="requests of one user in a minute, at once or evenly; then 429. To open a stream is one, and "
        "each process counts those for itself. 0 is no limit",
    )
    max_publish_per_minute: int = option(
        30_000,
        minimum=0,
        maximum=100_000_000,
        why="publishing requests of one producer in a minute, at once or evenly; a batch is one. 0 is no "
        "limit",
    )
    run_log_events: int = option(
        10_000,
        minimum=100,
        maximum=10_000_000,
        why="events of a run that its log keeps, before it is trimmed",
    )
    run_log_bytes: int = option(
        4_194_304, minimum=65_536, maximum=2**30, why="bytes of events that the log of a run keeps, likewise"
    )
    run_log_seconds: int = option(
        3_600, minimum=1, maximum=2_592_000, why="seconds that the log of a run is kept after its end"
    )
    retention_days: int = option(
        0,
        minimum=0,
        maximum=36_500,
        why="days that notifications and changes are kept by `manage.py prune_notifications`; 0 keeps them "
        "for ever",
    )
    metrics_token: str = option(
        "",
        is_secret=True,
        why="the bearer token for `/metrics`; without one only this machine itself may see it",
    )
    range_dialect: bool = option(
        True,
        why="serve the Range dialect of KERIA/SignifyPy clients, where the project mounts it: "
        "`/notifications` at the root",
    )
    strict_event_types: bool = option(
        False, why="refuse event types that no installed app registers, also from HTTP producers"
    )
    secret_keys: tuple[str, ...] = option(
        (),
        why="more endings of keys whose values are redacted in transient events, beside `password`, "
        "`passwd`, `secret`, `token`, `api_key`, `authorization`, `cookie` and `private_key`",
    )
    cors_origins: tuple[str, ...] = option(
        (),
        check=check_origins,
        why="exact origins (`https://app.example`) of other sites, whose pages may use the stream and the "
        "API with credentials",
    )

    installation: str = option(
        "",
        check=check_installation,
        why="a name for this installation, the same in all its processes and in no other's; empty: the "
        "database tells it apart",
    )

    trusted_proxies: tuple[str, ...] = option(
        (),
        check=TrustedProxies,
        why="addresses, networks (`10.0.0.0/8`) or `unix` of the proxies whose X-Forwarded headers are "
        "believed",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item, getattr(self, item.name), called=item.name)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> HubConfig:
        """Build from names and values.

        Raises:
            ImproperlyConfigured: an unknown name, or a value of the wrong type or out of bounds.
        """
        known = {item.name: item for item in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise ImproperlyConfigured(f"{SETTING_NAME} has no setting {', '.join(unknown)}.")
        for name, value in values.items():
            kind = type(known[name].default)
            # Not isinstance: True is an int, and would be a heartbeat of one second.
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise ImproperlyConfigured(f"{name} must be {kind.__name__}, not {value!r}.")
        return cls(**values)


def values_from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read variables such as ``HUB_HEARTBEAT_SECONDS=10``, by the type of each field's default.

    An empty variable counts as not set.

    Raises:
        ImproperlyConfigured: a ``HUB_…`` variable names no setting, or its text cannot be read as its type.
    """
    known = {ENVIRON_PREFIX + item.name.upper(): item for item in fields(HubConfig)}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(ENVIRON_PREFIX):
            continue
        if variable not in known:
            raise ImproperlyConfigured(f"{variable} is not a setting of the hub.")
        if text.strip():
            item = known[variable]
            values[item.name] = _read(environ, variable, item)
            _check(item, values[item.name], called=variable)
    return values


def _read(environ: Mapping[str, str], variable: str, item: Field[Any]) -> Any:
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    match item.default:
        case bool():
            return environment.read_switch(environ, variable)
        case int():
            return environment.read_number(environ, variable, default=item.default, minimum=low, maximum=high)
        case float():
            return environment.read_decimal(
                environ, variable, default=item.default, minimum=low, maximum=high
            )
        case tuple():
            return tuple(environment.read_list(environ, variable))
        case _:
            return environment.read_text(environ, variable)


def _check(item: Field[Any], value: Any, *, called: str) -> None:
    """Refuse an impossible value of the right type, by the name under which it was given."""
    check: Callable[[Any], object] | None = item.metadata["check"]
    try:
        if check is not None:
            check(value)
    except ValueError as error:
        why = item.metadata["why"]
        raise ImproperlyConfigured(f"{called} cannot be {str(error)!r}; it names {why}.") from None
    low, high = item.metadata["minimum"], item.metadata["maximum"]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not low <= value <= high:
        raise ImproperlyConfigured(f"{called} must be from {low} to {high}, not {value}.")


@lru_cache(maxsize=1)
def hub_config() -> HubConfig:
    """Return the settings in force.

    Raises:
        ImproperlyConfigured: Django's ``NOTIFICATION_HUB`` is wrong; the message names the field.
    """
    return HubConfig.from_mapping(getattr(settings, SETTING_NAME, {}))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == SETTING_NAME:
        hub_config.cache_clear()
