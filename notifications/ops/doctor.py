"""Examines the hub from inside: settings, database, clock, channel layer, and what waits that should not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.core import checks
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from notifications import selectors
from notifications.conf import hub_config
from notifications.models import Notification
from notifications.ops.findings import Finding, error, ok, warning
from notifications.ops.other_installations import find_other_installations
from notifications.ops.readiness import missing_migrations
from notifications.sql.dialect import is_postgresql, is_sqlite
from notifications.streaming.hints.messages import GROUP_PREFIX

MAX_CLOCK_SECONDS: Final = 1.0
LAYER_SECONDS: Final = 3.0
WAITING: Final = timedelta(minutes=1)


def examine() -> Iterator[Finding]:
    """Look at everything that can be seen from inside.

    It reads the database, sends one message to itself, and changes nothing.
    """
    yield from _settings()
    try:
        yield from _database()
        missing_count = len(missing_migrations())
    except DatabaseError as failure:
        yield error("database", f"cannot be had: {' '.join(str(failure).split())}")
    else:
        yield _migrations(missing_count)
        if not missing_count:
            yield from _overdue()
    layer = check_channel_layer()
    yield layer
    yield from _installation(is_layer_well=layer.level == "ok")


def _settings() -> Iterator[Finding]:
    """Django's system checks, the hub's among them; those of the database need it, and come with it."""
    found = checks.run_checks()
    for message in found:
        level = error if message.level >= checks.ERROR else warning
        yield level("settings", f"{message.id}: {message.msg} {message.hint or ''}".strip())
    if not found:
        yield ok("settings", "no system check complains")


def _database() -> Iterator[Finding]:
    for message in checks.run_checks(tags=[checks.Tags.database], databases=["default"]):
        level = error if message.level >= checks.ERROR else warning
        yield level("database", f"{message.id}: {message.msg} {message.hint or ''}".strip())
    yield _sqlite() if is_sqlite() else _postgresql()
    if is_postgresql():
        yield _clock()


def _sqlite() -> Finding:
    (mode,) = _row("PRAGMA journal_mode")
    if mode != "wal":
        return warning(
            "database", f"SQLite in the journal mode {mode}: every writer blocks the readers; use WAL"
        )
    return ok("database", "SQLite with a write-ahead log; its clock is this machine's")


def _postgresql() -> Finding:
    version, is_replica, commit = _row(
        "SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('synchronous_commit')"
    )
    if is_replica:
        return error("database", "is a replica, which cannot be written; DATABASE_URL must name the primary")
    if commit == "off":
        return warning("database", "synchronous_commit is off: a crash can lose what was answered as sent")
    return ok("database", f"PostgreSQL {version}, the primary")


def _clock() -> Finding:
    before = time.time()
    (theirs,) = _row("SELECT clock_timestamp()")
    after = time.time()
    seconds = theirs.timestamp() - (before + after) / 2
    text = f"the database's clock is {abs(seconds):.3f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) > MAX_CLOCK_SECONDS + (after - before) / 2:
        return warning("clock", f"{text}; times and schedules are off by as much: keep both by NTP")
    return ok("clock", text)


def _migrations(missing_count: int) -> Finding:
    if missing_count:
        return error("migrations", f"{missing_count} are not applied yet; run: manage.py migrate")
    return ok("migrations", "all are applied")


def _overdue() -> Iterator[Finding]:
    """Look for what the sweeper should have taken within seconds, and for what nobody could take."""
    long_ago = timezone.now() - WAITING
    due = Q(deliver_at__lt=long_ago) | Q(deliver_at__isnull=True, event__created_at__lt=long_ago)
    overdue = Notification.objects.filter(Notification.STAGED & due).count()
    expired = Notification.objects.filter(Notification.LISTED, expires_at__lt=long_ago).count()
    if overdue or expired:
        yield warning(
            "sweeper",
            f"{overdue:,} notifications wait for their position and {expired:,} are past their end, for more "
            "than a minute: "
            "no process serves, or none can lock those inboxes",
        )
    else:
        yield ok("sweeper", "nothing waits longer than a minute")
    if failed := Notification.objects.filter(failed_at__isnull=False).count():
        yield warning(
            "failed", f"{failed:,} notifications could not be shown; the admin lists them with the reason"
        )


def _installation(*, is_layer_well: bool) -> Iterator[Finding]:
    """Say who this is, and who else is there."""
    try:
        known = selectors.installation()
        is_certain = hub_config().installation or selectors.database_identity().is_certain
    except DatabaseError:
        return  # as was said already
    if is_certain:
        told_by = "HUB_INSTALLATION" if hub_config().installation else "its database"
        yield ok("identity", f"{known.name}, by SECRET_KEY and {told_by}")
    else:
        yield warning(
            "identity",
            f"{known.name}, but the database's role may not tell one cluster from another: another hub on "
            "the same Redis server, made by the "
            "same steps and with the same SECRET_KEY, would have the same. Set HUB_INSTALLATION, or GRANT "
            "EXECUTE ON FUNCTION pg_control_system()",
        )
    if is_layer_well:
        yield from find_other_installations(known)


def check_channel_layer() -> Finding:
    """Check that messages come through the channel layer.

    It takes a round trip, or ``LAYER_SECONDS``, and must run in a thread without an event loop.
    """
    return asyncio.run(_layer())


async def _layer() -> Finding:
    """Send a message to oneself, over a group.

    It uses a layer of its own: connections belong to the loop that made them.
    """
    if get_channel_layer() is None:
        return warning("layer", "there is none: streams are live only by reconciliation, seconds late")
    layer: Any = channel_layers.make_backend("default")
    if isinstance(layer, InMemoryChannelLayer):
        return ok("layer", "in memory: for one serving process")
    try:
        async with asyncio.timeout(LAYER_SECONDS):
            return await _round_trip(layer)
    except Exception as failure:  # noqa: BLE001 (a layer may raise anything)
        return error(
            "layer", f"no message came back within {LAYER_SECONDS:.0f} s: {failure!r}; look at REDIS_URL"
        )


async def _round_trip(layer: Any) -> Finding:
    channel = await layer.new_channel()
    group = f"{GROUP_PREFIX}doctor.{uuid4()}"  # nobody else's, of whatever installation
    await layer.group_add(group, channel)
    started = time.monotonic()
    await layer.group_send(group, {"type": "notifications.doctor"})
    await layer.receive(channel)
    seconds = time.monotonic() - started
    await layer.group_discard(group, channel)
    return ok("layer", f"{type(layer).__name__}: there and back in {seconds * 1000:.1f} ms")


def _row(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()
