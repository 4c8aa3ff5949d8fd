"""A project's log is where its channel layer is, else beside its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifications.run_log.opening import redis_host, run_log, sqlite_path
from tests.run_log.places import LEASE, STARTED, append, read_all, said

REDIS = "channels_redis.pubsub.RedisPubSubChannelLayer"
IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.mark.parametrize(
    ("layers", "host"),
    [
        ({}, None),
        (IN_MEMORY, None),
        ({"default": {"BACKEND": REDIS}}, {"address": "redis://localhost:6379"}),
        ({"default": {"BACKEND": REDIS, "CONFIG": {"hosts": [("h", 1)]}}}, {"host": "h", "port": 1}),
        (
            {
                "default": {
                    "BACKEND": "channels_redis.core.RedisChannelLayer",
                    "CONFIG": {"hosts": ["unix:///x"]},
                }
            },
            {"address": "unix:///x"},
        ),
    ],
    ids=["none", "in memory", "default host", "pair", "url"],
)
@pytest.mark.shape("embedded")
def test_redis_host__of_a_channel_layer__is_where_the_log_is(
    settings: Any, layers: dict[str, Any], host: dict[str, Any] | None
) -> None:
    settings.CHANNEL_LAYERS = layers
    assert redis_host() == host


@pytest.mark.parametrize(
    ("database", "path"),
    [
        ("/var/hub.sqlite3", "/var/hub.runs.sqlite3"),
        (Path("/var/hub"), "/var/hub.runs.sqlite3"),
        ("file:/var/hub.db?cache=shared", "/var/hub.runs.db"),
    ],
)
@pytest.mark.shape("embedded")
def test_sqlite_path__stands_beside_the_database(database: str | Path, path: str) -> None:
    assert sqlite_path(database) == Path(path)


@pytest.mark.parametrize("database", ["", ":memory:", "file:memorydb_default?mode=memory&cache=shared"])
@pytest.mark.shape("embedded")
def test_sqlite_path__of_a_database_in_memory__is_refused(database: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        sqlite_path(database)


@pytest.mark.shape("embedded")
def test_run_log__behind_sentinel__is_refused(settings: Any) -> None:
    hosts = [{"sentinels": [("h", 1)], "master_name": "hub"}]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": {"hosts": hosts}}}
    with pytest.raises(ImproperlyConfigured):
        run_log()


@pytest.mark.django_db
def test_run_log__without_redis__is_in_the_kind_of_the_database(settings: Any, run: str) -> None:
    settings.CHANNEL_LAYERS = IN_MEMORY
    log = run_log()
    log.begin(run, LEASE, STARTED)
    append(log, run, 1, "a")
    assert said(read_all(run_log(), run)) == "a"
    log.erase(run)
    log.close()
