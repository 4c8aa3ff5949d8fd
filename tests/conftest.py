"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser

from notifications.signals import inbox_changed
from tests.helpers.asgi import Streams
from tests.helpers.browser import ChromiumMissing, PageFactory, running_browser
from tests.helpers.emptying import emptying_that_gives_way
from tests.helpers.factories import make_user
from tests.helpers.machine.servers import RedisServer
from tests.helpers.plugin import has_failed
from tests.helpers.processes import HUB_APPLICATION, HubProcess, ServerName
from tests.helpers.staff import client_of

# A busy machine is no failure. In CI Hypothesis's own profile holds besides: the same examples in every run.
hypothesis_settings.register_profile(
    "hub",
    hypothesis_settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("hub")


@pytest.fixture(scope="session")
def shape(pytestconfig: pytest.Config) -> str:
    """The shape that the tests run in: `embedded` or `production`."""
    return str(pytestconfig.getoption("shape"))


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The test database goes with its server or folder, so nobody has to wait for its last connection to drop
    it.
    """
    return "TEST_DATABASE_URL" not in os.environ


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database, emptied in the hub's own way after each test that committed."""
    with emptying_that_gives_way():
        yield


@pytest.fixture
def ada(transactional_db: None) -> User:
    """A user. Whatever commits in the test is seen by other threads and processes."""
    return make_user("ada")


@pytest.fixture
def grace(transactional_db: None) -> User:
    """Another user."""
    return make_user("grace")


@pytest.fixture
def root(transactional_db: None) -> User:
    """A superuser."""
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def staff(root: User) -> Client:
    """The browser of a superuser."""
    return client_of(root)


@pytest.fixture(params=["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The site's time zone: one as far east, and one as far west, as there is any."""
    with override_settings(TIME_ZONE=request.param):
        yield request.param


@pytest.fixture
async def streams(transactional_db: None) -> AsyncIterator[Streams]:
    """Opens streams in the test's own loop; they are closed with the test."""
    opened = Streams()
    yield opened
    await opened.close()


@pytest.fixture
def announced() -> Iterator[list[dict[Any, int]]]:
    """The heads of each announcement that inboxes have changed, as they come."""
    seen: list[dict[Any, int]] = []

    def note(*, heads: dict[Any, int], **kwargs: Any) -> None:
        seen.append(heads)

    inbox_changed.connect(note)
    yield seen
    inbox_changed.disconnect(note)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of the test's own, in either shape: to kill, restart and pause."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def start_hub(transactional_db: None) -> Iterator[Callable[..., HubProcess]]:
    """Starts real hub processes on this test's database and Redis: `start_hub("daphne", env={"HUB_…": "1"})`.
    They end before the database is emptied.
    """
    with ExitStack() as running:

        def start(server: ServerName = "serve", *, env: Mapping[str, str] | None = None) -> HubProcess:
            return running.enter_context(HubProcess(server, env=env))

        yield start


@pytest.fixture
def live_hub(start_hub: Callable[..., HubProcess]) -> HubProcess:
    """A real hub process (`manage.py serve`) on this test's database and Redis."""
    return start_hub()


@pytest.fixture(scope="module")
def hubs_of_module(django_db_setup: None) -> Iterator[dict[object, HubProcess]]:
    """What `share_hub` has started. They run until the module's last test has ended."""
    hubs: dict[object, HubProcess] = {}
    yield hubs
    for hub in hubs.values():
        hub.end()


@pytest.fixture
def share_hub(
    hubs_of_module: dict[object, HubProcess], transactional_db: None
) -> Iterator[Callable[..., HubProcess]]:
    """Like `start_hub`, but the tests of a module share a process that is started alike: to start one takes
    longer than most tests. Its streams and clients end with each test; a test that ends the process leaves
    the next one a new one.
    """

    def share(
        server: ServerName = "serve",
        *,
        env: Mapping[str, str] | None = None,
        application: str = HUB_APPLICATION,
    ) -> HubProcess:
        kind = (server, frozenset((env or {}).items()), application)
        if kind in hubs_of_module and not hubs_of_module[kind].is_running():
            hubs_of_module.pop(kind).end()
        if kind not in hubs_of_module:
            hubs_of_module[kind] = HubProcess(server, env=env, application=application)
        return hubs_of_module[kind]

    yield share
    for hub in hubs_of_module.values():
        hub.close_clients()


@pytest.fixture
def shared_hub(share_hub: Callable[..., HubProcess]) -> HubProcess:
    """A real hub process (`manage.py serve`) that the module's tests share."""
    return share_hub()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium. Where there is none its tests are skipped, which CI counts as a failure."""
    try:
        with running_browser() as running:
            yield running
    except ChromiumMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def page_factory(browser: Browser, request: pytest.FixtureRequest) -> Iterator[PageFactory]:
    """Makes pages: `page = page_factory()`. At the end none of them may have complained, and where one did,
    or the test failed, they leave a picture.
    """
    factory = PageFactory(browser)
    try:
        yield factory
        problems = factory.problems()
        if problems or has_failed(request.node):
            factory.screenshots(request.node.name)
    finally:
        factory.close()
    assert not problems
