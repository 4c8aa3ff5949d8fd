"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.helpers.servers import RedisServer


@pytest.fixture(scope="session")
def shape(pytestconfig: pytest.Config) -> str:
    """The shape that the tests run in: `embedded` or `production`."""
    return str(pytestconfig.getoption("shape"))


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The test database goes with its server or folder, so nobody has to wait for its last connection to drop it."""
    return "TEST_DATABASE_URL" not in os.environ


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, in either shape: to kill, restart and pause."""
    with RedisServer() as server:
        yield server
