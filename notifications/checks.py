"""System checks: a process that could not work in its setup says so, and does not start.

The ids are stable: ``notification_hub.E…`` are errors, ``notification_hub.W…`` warnings. docs/operations.md
lists them.

One looks for packages that would be imported by the same name as the hub. The hub and another package of its
name cannot stand side by side: whichever is installed last silently overwrites files of the other.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.recorder import MigrationRecorder

from notifications.conf import hub_config
from notifications.event_types import registry
from notifications.models import Inbox
from notifications.permissions import APP_LABEL
from notifications.run_log.opening import redis_host
from notifications.sql.dialect import is_postgresql, is_sqlite
from notifications.system.environment import worker_count

MIN_SQLITE: Final = (3, 37, 0)
REDIS_WAIT_SECONDS: Final = 1.0  # no start waits longer for a Redis that hangs
PACKAGE: Final = "notifications"
FOLDER: Final = Path(__file__).resolve().parent

AppConfigs = Sequence[AppConfig] | None


@register
def check_config(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that the hub's own settings can be read."""
    try:
        hub_config()
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="docs/settings.md lists every setting.", id="notification_hub.E001")


@register
def check_time_zone(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that times are aware."""
    if not settings.USE_TZ:
        yield Error(
            "The hub's times are UTC on the wire.", hint="Set USE_TZ = True.", id="notification_hub.E002"
        )


@register
def check_sqlite(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that SQLite waits for its lock, does not block readers, and knows the hub's statements."""
    if not is_sqlite():
        return
    options = connection.settings_dict.get("OPTIONS", {})
    if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
        yield Error(
            "SQLite must take its write lock when a transaction begins: otherwise concurrent writers fail at "
            "once.",
            hint='Set OPTIONS["transaction_mode"] = "IMMEDIATE".',
            id="notification_hub.E003",
        )
    if "journal_mode=wal" not in str(options.get("init_command", "")).lower().replace(" ", ""):
        yield CheckWarning(
            "Without a write-ahead log every writer blocks SQLite's readers.",
            hint='Put "PRAGMA journal_mode=WAL;" into OPTIONS["init_command"].',
            id="notification_hub.W003",
        )
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        minimum_version = ".".join(map(str, MIN_SQLITE))
        yield Error(
            f"SQLite {sqlite3.sqlite_version} is too old; the hub needs {minimum_version} or newer.",
            id="notification_hub.E004",
        )


@register(Tags.database)
def check_postgresql(
    app_configs: AppConfigs, databases: Collection[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Check that each statement of the sequencer sees what was committed before it.

    The database is asked only when its alias is given, as in Django's own checks.
    """
    if not is_postgresql() or DEFAULT_DB_ALIAS not in (databases or ()):
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        (isolation,) = cursor.fetchone()
    if isolation != "read committed":
        yield Error(
            f"The hub needs READ COMMITTED; this connection runs in {isolation.upper()}.",
            hint="Leave isolation_level out of DATABASES, and default_transaction_isolation at its default.",
            id="notification_hub.E005",
        )


@register
def check_transactions(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that requests are not wrapped in transactions."""
    if any(database.get("ATOMIC_REQUESTS") for database in settings.DATABASES.values()):
        yield Error(
            "With ATOMIC_REQUESTS every reader of the hub would hold a transaction, on SQLite the write "
            "lock.",
            hint="Set it to False, and use transaction.atomic where you need it.",
            id="notification_hub.E006",
        )


@register
def check_channel_layer(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that there is a channel layer for hints."""
    if not getattr(settings, "CHANNEL_LAYERS", {}).get("default"):
        yield CheckWarning(
            "Without a channel layer, streams find changes by reconciliation only, seconds late.",
            hint="Configure CHANNEL_LAYERS: in-memory for one process, channels_redis for several.",
            id="notification_hub.W001",
        )


@register
def check_redis_memory(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that the Redis which has the logs of runs evicts none of them; where it answers at once."""
    if (host := redis_host()) is None:
        return
    # Imported here, because an embedded hub needs nothing of Redis.
    from notifications.run_log.redis_store import maxmemory_policy

    policy = maxmemory_policy(host, max_wait_seconds=REDIS_WAIT_SECONDS)
    if policy not in (None, "noeviction"):
        yield CheckWarning(
            f"Redis evicts keys when its memory is full ({policy}): the logs of runs would be lost.",
            hint="Set maxmemory-policy to noeviction, or give the hub a Redis of its own.",
            id="notification_hub.W007",
        )


@register
def check_sessions(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that the end of a session can be noticed."""
    if settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies":
        yield CheckWarning(
            "The end of a session that is kept in a cookie alone cannot be noticed: a logout closes no "
            "stream.",
            hint='Set SESSION_ENGINE = "django.contrib.sessions.backends.cached_db" or "…db".',
            id="notification_hub.W004",
        )


@register
def check_event_types(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that the fields of event types have a form in JSON, so that data can be checked against them."""
    for event_type in registry:
        try:
            event_type.json_schema()
        except Exception as error:  # noqa: BLE001 (whatever an annotation raises)
            where = f"{event_type.__module__}.{event_type.__qualname__}"
            yield Error(
                f"The fields of {where} cannot be described: {error}",
                hint="docs/event-types.md says what a field may be. Import what annotations name outside of "
                "`if TYPE_CHECKING`.",
                id="notification_hub.E008",
            )


@register
def check_workers(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that several workers have a database and a channel layer that processes can share."""
    try:
        if worker_count() == 1:
            return
    except ImproperlyConfigured as error:
        yield Error(str(error), hint="docs/settings.md lists every setting.", id="notification_hub.E001")
        return
    hint = "Set DATABASE_URL and REDIS_URL, or WEB_CONCURRENCY=1."
    if is_sqlite():
        yield Error("Several workers need PostgreSQL; this is SQLite.", hint=hint, id="notification_hub.E007")
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {}).get("BACKEND")
    if layer == "channels.layers.InMemoryChannelLayer":
        yield Error(
            "Several workers need a channel layer that they share; this one exists in each worker's memory.",
            hint=hint,
            id="notification_hub.E007",
        )


@register
def check_import_name(app_configs: AppConfigs, **kwargs: Any) -> Iterable[CheckMessage]:
    """Check that nothing else on the search path is imported by the name of the hub's folder."""
    owners = installed_by(PACKAGE, FOLDER)
    if len(owners) > 1:
        yield Error(
            f"{' and '.join(owners)} have both installed files into {FOLDER}, which now holds a mixture.",
            hint="They cannot be installed together. Uninstall all of them, then install the one you want.",
            id="notification_hub.E009",
        )
    for path in other_packages(PACKAGE, FOLDER, sys.path):
        yield CheckWarning(
            f"{path} has the import name of the hub, which was imported from {FOLDER}.",
            hint=f"Only one of them can be imported as `{PACKAGE}`, and which one depends on the order of "
            "sys.path. Rename or uninstall the other one.",
            id="notification_hub.W005",
        )


@register(Tags.database)
def check_app_label(
    app_configs: AppConfigs, databases: Collection[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """Check that the migrations recorded in the database are the hub's own."""
    for alias in databases or ():
        database = connections[alias]
        recorder = MigrationRecorder(database)
        if not recorder.has_table():
            continue
        labels = set(
            recorder.migration_qs.filter(app__in=(APP_LABEL, PACKAGE))
            .values_list("app", flat=True)
            .distinct()
        )
        tables = set(database.introspection.table_names())
        if APP_LABEL in labels and Inbox._meta.db_table not in tables:
            yield Error(
                f"The table django_migrations says that `{APP_LABEL}` is migrated, but there is no table "
                f"{Inbox._meta.db_table}: the rows belong to another app.",
                hint=f"Delete the rows of the app `{APP_LABEL}` from django_migrations, then run migrate.",
                id="notification_hub.E010",
            )
        if PACKAGE in labels and PACKAGE not in {config.label for config in apps.get_app_configs()}:
            yield CheckWarning(
                f"This database has had an app labelled `{PACKAGE}`, which is no longer installed. Its "
                "tables stay, and the hub does not use them.",
                hint="docs/moving.md says how to bring their rows over, and how to remove them.",
                id="notification_hub.W006",
            )


def other_packages(name: str, own_folder: Path, search_paths: Iterable[str]) -> list[Path]:
    """Return the modules and packages called ``name`` on the search path, except the one in ``own_folder``.

    Args:
        name: of a top-level module.
        own_folder: the folder from which it was imported.
        search_paths: folders, in the order of ``sys.path``; those that do not exist are skipped.

    Returns:
        Their files, each once, in the order of the search path. A folder without ``__init__.py`` is left out,
        because it is never imported before a package that has one.
    """
    candidates = (
        Path(folder, relative)
        for folder in search_paths
        for relative in (f"{name}/__init__.py", f"{name}.py")
    )
    own = own_folder.resolve()
    found = (path.resolve() for path in candidates if path.is_file())
    return list(dict.fromkeys(path for path in found if path.parent != own))


def installed_by(name: str, own_folder: Path) -> list[str]:
    """Return the distributions installed beside ``own_folder`` that have a package called ``name``.

    With more than one, the folder holds a mixture of their files. It reads one text for each distribution,
    which takes some hundredths of a second, and nothing when the folder is in no place for installed
    packages.

    Returns:
        Names with versions, such as ``some-package-1.8.3``, sorted.
    """
    records = own_folder.parent.glob("*.dist-info/RECORD")
    first_file = f"{name}/__init__.py,"
    return sorted(
        record.parent.name.removesuffix(".dist-info")
        for record in records
        if any(line.startswith(first_file) for line in record.read_text("utf-8", "replace").splitlines())
    )
