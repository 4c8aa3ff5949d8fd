"""The production shape for a run: PostgreSQL, Redis and hub processes, all on loopback and gone
afterwards.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

import django
from django.core.management import call_command
from django.db import connections

from tests.helpers.machine.ports import HOST
from tests.helpers.machine.servers import PostgresServer, RedisServer
from tests.helpers.processes import HubProcess

# Nothing of this machine's own deployment may leak into the figures.
FOREIGN = ("HUB_", "DATABASE_", "SECRET_", "LOG_", "CSRF_")
# Nothing but what is measured is to happen meanwhile.
QUIET = {"HUB_MAX_STREAM_SECONDS": "86400", "HUB_MAX_STREAMS_PER_USER": "1000", "LOG_LEVEL": "WARNING"}


@contextlib.contextmanager
def production() -> Iterator[None]:
    """Start both servers, point Django at them, and make the tables."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    with PostgresServer() as postgres, RedisServer() as redis:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "hub.settings",
            "DEBUG": "0",
            "LOG_LEVEL": "WARNING",
            "PLAIN_HTTP": "1",
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
        }
        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            for connection in connections.all():
                connection.close()
                connection.close_pool()  # type: ignore[attr-defined]


def empty() -> None:
    """Leave nothing of one scenario for the next: neither rows nor what PostgreSQL believes of them."""
    from benchmarks import people  # its models need Django's set-up

    call_command("flush", interactive=False, verbosity=0)
    people.forget()


def hub(**env: str) -> HubProcess:
    """A hub process, `manage.py serve` with one worker; `env` adds to its environment."""
    own = {name: os.environ[name] for name in ("DJANGO_SETTINGS_MODULE", "DEBUG")}
    return HubProcess("serve", env={**own, **QUIET, **env})
