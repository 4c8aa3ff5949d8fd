"""``manage.py serve``: the production server, also for development."""

from __future__ import annotations

import errno
import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from notifications.streaming import server

DEFAULT_PORT = "8000"


class Command(BaseCommand):
    """Serve pages, API and streams until SIGTERM or SIGINT, and close every stream politely then."""

    help = "Serve the hub: pages, API and streams, with a clean stop at SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument(
            "--port",
            default=os.environ.get("PORT") or DEFAULT_PORT,
            help=f"port to listen on (default: $PORT, else {DEFAULT_PORT}; 0 takes a free one)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what can be checked beforehand, then serve."""
        check_migrations()
        listening = open_socket(options["host"], options["port"])
        port = listening.getsockname()[1]
        host = f"[{options['host']}]" if listening.family == socket.AF_INET6 else options["host"]

        def serving() -> None:
            self.stdout.write(f"Serving at http://{host}:{port} (Ctrl+C stops)")
            self.stdout.flush()

        module, _, name = settings.ASGI_APPLICATION.rpartition(".")
        server.serve(f"{module}:{name}", listening, on_serving=serving)


def check_migrations() -> None:
    """Refuse a database that cannot be reached, or whose tables are not today's.

    Raises:
        CommandError: with what to do.
    """
    try:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(f"The database cannot be reached: {str(error).strip()}") from error
    finally:
        connections.close_all()
    if missing:
        raise CommandError(f"{len(missing)} migrations are not applied yet; run: manage.py migrate")


def open_socket(host: str, port: str) -> socket.socket:
    """Listen.

    Raises:
        CommandError: that cannot be done, with what to do instead.
    """
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise CommandError(f"{port!r} is no port; choose one from 1 to 65535, as in PORT=8001.")
    try:
        return server.listen(host, int(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} is in use; choose another one, as in PORT=8001.") from error
        raise CommandError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
