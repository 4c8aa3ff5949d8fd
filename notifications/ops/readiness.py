"""Whether this process can do its work.

What it needs is checked at most once a second, however often somebody asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from channels.layers import get_channel_layer
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.runtime import current_runtime

logger = logging.getLogger(__name__)

CACHE_SECONDS: Final = 1.0
DATABASE_SECONDS: Final = 2.0
LAYER_SECONDS: Final = 1.0
PROBE_GROUP: Final = "notifications.probe"  # nobody is in it: sending shows that the layer takes messages

Status = Literal["ready", "degraded", "unavailable"]
_ESSENTIAL: Final = ("process", "database", "migrations")


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """The state of each part in one word; ``ok`` is well."""

    process: Literal["ok", "draining"]
    database: Literal["ok", "lost"]
    migrations: Literal["ok", "missing", "unknown"]
    layer: Literal["ok", "lost", "none"]

    @property
    def status(self) -> Status:
        """Without its layer the hub is only slower; without the rest it must get no requests."""
        if any(getattr(self, part) != "ok" for part in _ESSENTIAL):
            return "unavailable"
        return "ready" if self.layer == "ok" else "degraded"


class Readiness:
    """Asks, and remembers the answer for a moment. One for each process.

    Args:
        clock: seconds that never go back; by default those of the running loop.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._asking: asyncio.Task[ReadinessReport] | None = None
        self._database: asyncio.Future[Any] | None = None
        self._report: ReadinessReport | None = None
        self._asked_at = 0.0
        self._logged_status: Status = "ready"

    async def report(self) -> ReadinessReport:
        """Say how things are, or were within the last second.

        It answers within three seconds whatever hangs.
        """
        if current_runtime().is_draining:
            return ReadinessReport("draining", "ok", "ok", "ok")
        if self._report is not None and self._clock() - self._asked_at < CACHE_SECONDS:
            return self._report
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="hub readiness")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> ReadinessReport:
        database, layer = await asyncio.gather(self._ask_database(), _ask_layer())
        report = ReadinessReport("ok", *database, layer)
        if report.status != self._logged_status:
            logger.log(
                logging.INFO if report.status == "ready" else logging.WARNING,
                "Now %s: %s",
                report.status,
                report,
            )
        self._report, self._asked_at, self._logged_status = report, self._clock(), report.status
        return report

    async def _ask_database(self) -> tuple[Literal["ok", "lost"], Literal["ok", "missing", "unknown"]]:
        # A database that hangs keeps the thread that asks it; a second one must not be lost to it.
        if self._database is None or self._database.done():
            self._database = asyncio.ensure_future(in_database_thread(missing_migrations))
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                missing = await asyncio.shield(self._database)
        except Exception:  # noqa: BLE001 (whatever a driver raises, the database cannot be had)
            return "lost", "unknown"
        return "ok", "missing" if missing else "ok"


def missing_migrations() -> set[tuple[str, str]]:
    """The migrations of the code that the database has not seen. Two queries; call it in a thread.

    Raises:
        DatabaseError: the database cannot be had.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    rows = MigrationRecorder(connection).migration_qs.values_list("app", "name")
    try:
        applied = set(rows)
    except DatabaseError:  # it answers, but nothing was ever migrated
        applied = set()
    return {
        migration
        for migration, replaced in known_migrations().items()
        if migration not in applied and not (replaced and replaced <= applied)
    }


@lru_cache(maxsize=1)
def known_migrations() -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """The migrations of the code, each with those that it replaces. Reads files, once."""
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    return {key: frozenset(migration.replaces) for key, migration in graph.nodes.items() if migration}


async def _ask_layer() -> Literal["ok", "lost", "none"]:
    layer = get_channel_layer()
    if layer is None:
        return "none"
    try:
        async with asyncio.timeout(LAYER_SECONDS):
            await layer.group_send(PROBE_GROUP, {"type": "notifications.probe"})
    except Exception:  # noqa: BLE001 (a layer may raise anything)
        return "lost"
    return "ok"
