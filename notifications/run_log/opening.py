"""Which store a project's logs are in: Redis where the channel layer is Redis, else the database's kind."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import receiver
from django.utils.module_loading import import_string

from notifications import selectors
from notifications.conf import hub_config
from notifications.run_log.answers import LogLimits
from notifications.run_log.log import RunLog
from notifications.run_log.sql_store import SqlStore
from notifications.run_log.store import Store
from notifications.sql.dialect import is_postgresql

# How long a call may take where the store hangs. Appends come from a thread of the producer's library, with a
# buffer before it; nobody's work waits so long.
MAX_WAIT_SECONDS: Final = 5.0
_IN_MEMORY: Final = "channels.layers.InMemoryChannelLayer"


_DJANGOS: Final = frozenset({"pool", "context", "cursor_factory"})


@lru_cache(maxsize=1)
def run_log() -> RunLog:
    """Return the log of this process, which all its threads share.

    Raises:
        ImproperlyConfigured: the project's database or Redis is none that a log can be in.
        DatabaseError: the installation is not known yet; the next call asks again.
    """
    return RunLog(_store())


def redis_host() -> dict[str, Any] | None:
    """Return where the channel layer's Redis is, as ``channels_redis`` describes it; None without one."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    if layer.get("BACKEND", _IN_MEMORY) == _IN_MEMORY:
        return None
    # Imported here, because an embedded hub needs nothing of Redis.
    from channels_redis.core import RedisChannelLayer
    from channels_redis.pubsub import RedisPubSubChannelLayer
    from channels_redis.utils import decode_hosts

    if not issubclass(import_string(layer["BACKEND"]), (RedisPubSubChannelLayer, RedisChannelLayer)):
        return None
    # Several hosts are shards, over which the layer spreads its groups. One has all the logs.
    return dict(decode_hosts(layer.get("CONFIG", {}).get("hosts"))[0])


def sqlite_path(name: str | Path) -> Path:
    """Return the file of the logs, beside a project's database.

    Raises:
        ImproperlyConfigured: that database is in memory, where nothing can stand beside it.
    """
    if str(name) in ("", ":memory:") or "mode=memory" in str(name):
        raise ImproperlyConfigured("Runs need a database in a file: their log is a file beside it.")
    path = Path(str(name).removeprefix("file:").partition("?")[0])
    return path.with_name(f"{path.stem}.runs{path.suffix or '.sqlite3'}")


def postgresql_parameters(database: BaseDatabaseWrapper | Any) -> dict[str, Any]:
    """Return how psycopg connects to a project's database, without what is Django's own of it."""
    parameters: dict[str, Any] = database.get_connection_params()
    return {name: value for name, value in parameters.items() if name not in _DJANGOS}


def _store() -> Store:
    config = hub_config()
    limits = LogLimits(config.run_log_events, config.run_log_bytes, config.run_log_seconds)
    if host := redis_host():
        if "master_name" in host:
            raise ImproperlyConfigured("The log of runs cannot find its Redis through Sentinel.")
        from notifications.run_log.redis_store import RedisStore

        prefix = f"hub:{selectors.installation().name}"
        return RedisStore(host, prefix=prefix, limits=limits, max_wait_seconds=MAX_WAIT_SECONDS)
    if is_postgresql():
        from notifications.run_log.postgresql_connection import PostgresqlConnection

        parameters = postgresql_parameters(connection)
        return SqlStore(PostgresqlConnection(parameters, max_wait_seconds=MAX_WAIT_SECONDS), limits=limits)
    from notifications.run_log.sqlite_connection import SqliteConnection

    path = sqlite_path(connection.settings_dict["NAME"])
    return SqlStore(SqliteConnection(path, max_wait_seconds=MAX_WAIT_SECONDS), limits=limits)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    is_ours = setting in ("NOTIFICATION_HUB", "CHANNEL_LAYERS", "DATABASES")
    if is_ours and run_log.cache_info().currsize:
        run_log().close()
        run_log.cache_clear()
