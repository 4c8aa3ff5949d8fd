"""The places where logs are kept: a real Redis, a SQLite file, and PostgreSQL where the tests have one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from notifications.run_log.log import RunLog
from tests.helpers.machine.servers import RedisServer
from tests.helpers.waiting import PATIENCE_SECONDS
from tests.run_log.places import OpenLog, redis_log, sql_log, sqlite_log


@pytest.fixture(scope="module")
def kept_redis() -> Iterator[RedisServer]:
    """A Redis that the tests of a module share: those that do nothing to it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.shape("embedded")),
        pytest.param("sqlite", marks=pytest.mark.shape("embedded")),
        pytest.param("postgresql", marks=pytest.mark.shape("production")),
    ]
)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLog]:
    """Opens the log in one place, as often as it is called, each with connections of its own."""
    opened: list[RunLog] = []
    make: Callable[..., RunLog]
    if request.param == "redis":
        make = partial(redis_log, request.getfixturevalue("kept_redis").url)
    elif request.param == "sqlite":
        make = partial(sqlite_log, tmp_path / "hub.runs.sqlite3")
    else:
        request.getfixturevalue("django_db_setup")
        make = postgresql_log

    def open_another(**options: Any) -> RunLog:
        opened.append(make(**options))
        return opened[-1]

    yield open_another
    for log in opened:
        log.close()


@pytest.fixture
def log(open_log: OpenLog) -> RunLog:
    """A log."""
    return open_log()


@pytest.fixture
def run() -> str:
    """The id of a run that no other test has."""
    return str(uuid.uuid4())


def postgresql_log(*, max_wait_seconds: float = PATIENCE_SECONDS, **options: Any) -> RunLog:
    """The log in tables of the project's PostgreSQL."""
    # Where there is no psycopg, there is no PostgreSQL to test with.
    from notifications.run_log.opening import postgresql_parameters
    from notifications.run_log.postgresql_connection import PostgresqlConnection

    parameters = postgresql_parameters(connection)
    return sql_log(PostgresqlConnection(parameters, max_wait_seconds=max_wait_seconds), **options)
