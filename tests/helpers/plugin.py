"""Picks the shape that the tests run in, and starts its servers before Django reads the settings.

    pytest                      embedded: SQLite in a temporary file, no Redis
    pytest --shape=production   PostgreSQL and Redis, both real

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers to use instead of starting some; the database's user
must be allowed to create databases. With pytest-xdist the process that is started first has the PostgreSQL,
in which each worker makes a database of its own; each worker has its own Redis, because what goes over
Redis's pub/sub is seen by all of its databases.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from urllib.parse import urlsplit

import pytest

from tests.helpers.machine.guarded import GuardedFolder
from tests.helpers.machine.servers import PostgresServer, RedisServer, Server

SHAPES = ("embedded", "production")
WORKER = "PYTEST_XDIST_WORKER"

_servers: list[Server] = []
_folders: list[GuardedFolder] = []
_skipped: list[str] = []
_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shape`."""
    parser.getgroup("hub").addoption(
        "--shape",
        choices=SHAPES,
        default="embedded",
        help="embedded (SQLite, no Redis) or production (PostgreSQL and Redis)",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Set the environment that the settings read. A wrapper, because pytest-django reads them in this very
    hook.
    """
    try:
        if early_config.known_args_namespace.shape == "production":
            use_production()
        else:
            use_embedded()
        return (yield)
    except BaseException:
        stop()
        raise


def use_embedded() -> None:
    """Point the settings at a SQLite file in a temporary folder; no Redis."""
    if WORKER not in os.environ:
        _folders.append(GuardedFolder("hub-test-"))
        os.environ["TEST_FOLDER"] = str(_folders[0].path)
        os.environ["DATABASE_URL"] = f"sqlite:///{_folders[0].path}/hub.sqlite3"
    os.environ.pop("REDIS_URL", None)


def use_production() -> None:
    """Point the settings at a PostgreSQL and a Redis, those that the environment names or new ones."""
    if WORKER not in os.environ:
        os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or started(PostgresServer()).url
    if shared := os.environ.get("TEST_REDIS_URL"):
        # One of Redis's 16 numbered databases for each worker.
        number = int(os.environ.get(WORKER, "gw0").removeprefix("gw")) % 16
        os.environ["REDIS_URL"] = urlsplit(shared)._replace(path=f"/{number}").geturl()
    else:
        os.environ["REDIS_URL"] = started(RedisServer()).url


def started(server: PostgresServer | RedisServer) -> PostgresServer | RedisServer:
    """Remember `server` so that it is stopped at the end."""
    _servers.append(server)
    return server


def stop() -> None:
    """End what was started here, the newest first."""
    while _servers:
        _servers.pop().stop()
    while _folders:
        _folders.pop().remove()


def pytest_unconfigure() -> None:
    """End the servers and remove the folders."""
    stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are for the other shape, which are not skipped: they run in theirs. Refuse
    unstable names.
    """
    for item in items:
        if " at 0x" in item.nodeid:
            # Two workers of pytest-xdist would not know it for the same test. Said here, its author hears of
            # it at once.
            raise pytest.UsageError(f"{item.nodeid} has an address in its name: give its cases ids")
    other = [item for item in items if not runs_in(config.getoption("shape"), item)]
    if other:
        items[:] = [item for item in items if item not in other]
        config.hook.pytest_deselected(items=other)


def runs_in(shape: str, item: pytest.Item) -> bool:
    """Whether `item` is for `shape`: what is not marked runs in both.

    Raises `pytest.UsageError` for a mark that names no shape.
    """
    mark = item.get_closest_marker("shape")
    if mark is None:
        return True
    if not mark.args or not set(mark.args) <= set(SHAPES):
        raise pytest.UsageError(f"{item.nodeid}: shape() wants one of {', '.join(SHAPES)}, or both")
    return shape in mark.args


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed, for the fixtures that clean up after them."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


def has_failed(item: pytest.Item) -> bool:
    """Whether the test itself or its set-up has failed."""
    return item.stash.get(_failed, False)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the tests that did not run."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a part that is missing is a failure: nothing may be skipped there."""
    if _skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped in CI, where that has failed the run."""
    if _skipped and os.environ.get("CI"):
        terminalreporter.section("skipped, which CI does not allow", red=True)
        for nodeid in _skipped:
            terminalreporter.line(nodeid)
