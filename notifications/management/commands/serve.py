"""``manage.py serve``: the server for production, and for development."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.autoreload import get_child_arguments

from notifications import services
from notifications.management.base import advice
from notifications.ops import prometheus
from notifications.serving import server, systemd
from notifications.serving.supervisor import Worker
from notifications.serving.worker_counts import CountsWriter, WorkerCounts
from notifications.sql.dialect import is_postgresql
from notifications.streaming.connection.transport import tune_socket
from notifications.system.environment import WORKERS_VARIABLE, worker_count

logger = logging.getLogger(__name__)

DEFAULT_PORT = "8000"
# Seconds between the tries to close a dead worker's streams; the last one is followed by none.
FREE_SLOTS_PAUSES: Final = (0.5, 2.0, 5.0)
_freeing: Final = threading.Lock()


class Command(BaseCommand):
    """Serves pages, API and streams until SIGTERM or SIGINT, and then closes every stream properly."""

    help = "Serve the hub: pages, API and streams, with a clean stop at SIGTERM."
    # The checks, with those that query the database, are run once the database is known to answer.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options for the address and the number of processes."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument(
            "--port",
            default=os.environ.get("PORT") or DEFAULT_PORT,
            help=f"port to listen on (default: $PORT, else {DEFAULT_PORT}; 0 takes a free one)",
        )
        parser.add_argument(
            "--workers",
            help="number of worker processes (default: $WEB_CONCURRENCY, else 1); more than one needs "
            "PostgreSQL and Redis",
        )
        # The supervisor starts a worker with these: the folder for its counts; its number, the socket, and
        # the lifeline.
        parser.add_argument("--worker-counts", type=Path, help=SUPPRESS)
        parser.add_argument("--worker", nargs=3, type=int, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what can be checked beforehand, then serve."""
        module, _, name = settings.ASGI_APPLICATION.rpartition(".")
        application = f"{module}:{name}"
        if options["worker"]:
            work(application, options["worker_counts"], *options["worker"])
            return
        workers = read_workers(options["workers"])
        check_migrations()
        self.check(databases=[DEFAULT_DB_ALIAS])
        listening = take_socket() or open_socket(options["host"], options["port"])
        host, port, *_ = listening.getsockname()
        host = f"[{host}]" if listening.family == socket.AF_INET6 else host

        def serving() -> None:
            shared = f" with {workers} workers" if workers > 1 else ""
            self.stdout.write(f"Serving at http://{host}:{port}{shared} (Ctrl+C stops)")
            self.stdout.flush()
            systemd.notify_ready()

        if workers == 1:
            server.serve(application, listening, on_serving=serving)
            return
        close_databases()
        with WorkerCounts.temporary() as worker_counts:
            command = [
                *map(str, get_child_arguments()),
                "--worker-counts",
                str(worker_counts.folder),
                "--worker",
            ]

            def ended(worker: Worker) -> None:
                worker_counts.retire(worker.pid)
                if not worker.has_ended_well():
                    # A daemon thread, so that a database that hangs does not keep the supervisor from ending.
                    threading.Thread(target=free_slots, args=(worker.identity,), daemon=True).start()

            if not server.supervise(command, listening, workers, on_serving=serving, on_ended=ended):
                raise CommandError("No worker stays alive; the log has the reason.")


def work(application: str, folder: Path, number: int, listening: int, lifeline: int) -> None:
    """Serve as one of several workers, with what the supervisor gave on the command line."""
    counts_writer = CountsWriter(WorkerCounts(folder), number, prometheus.worker_numbers)
    prometheus.share_counts(counts_writer)
    server.work(application, socket.socket(fileno=listening), socket.socket(fileno=lifeline), counts_writer)


def free_slots(identity: str) -> None:
    """Close the streams of a worker that has ended, so that their users may open others at once.

    This is best effort: after ``worker_lost_seconds`` another process would close them.

    Args:
        identity: of its process.
    """
    for pause_seconds in FREE_SLOTS_PAUSES:
        # One at a time, because each closes the pool that all threads share.
        with _freeing:
            try:
                if closed := services.close_streams_of_process(identity):
                    logger.info("%d streams of a worker that has died are closed", closed)
                return
            except DatabaseError as error:
                logger.warning("The streams of a worker that has died could not be closed: %s", error)
            finally:
                close_databases()
        time.sleep(pause_seconds)


def read_workers(option: str | None) -> int:
    """Return the number of worker processes; an option also applies to the system checks and the workers.

    Raises:
        CommandError: the number is wrong.
    """
    if option is not None:
        os.environ[WORKERS_VARIABLE] = option
    try:
        return worker_count()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def close_databases() -> None:
    """Close connections and pools: a process that only supervises must not occupy the database."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if is_postgresql(connection):
            connection.close_pool()  # type: ignore[attr-defined]


def check_migrations() -> None:
    """Refuse a database that cannot be reached, or whose migrations are not all applied.

    Raises:
        CommandError: with what to do.
    """
    try:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise CommandError(advice(error)) from error
    finally:
        connections.close_all()
    if missing:
        raise CommandError(f"{len(missing)} migrations are not applied yet; run: manage.py migrate")


def take_socket() -> socket.socket | None:
    """Return the socket that systemd listens on for the hub; None without one.

    Raises:
        CommandError: it is of the wrong kind.
    """
    try:
        listening = systemd.inherited_socket()
    except OSError as error:
        raise CommandError(str(error)) from error
    if listening is not None:
        tune_socket(listening)
    return listening


def open_socket(host: str, port: str) -> socket.socket:
    """Listen on an address.

    Raises:
        CommandError: that is not possible; the message says what to do instead.
    """
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise CommandError(f"{port!r} is not a port; choose one from 1 to 65535, as in PORT=8001.")
    try:
        return server.listen(host, int(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} is in use; choose another one, as in PORT=8001.") from error
        raise CommandError(f"Cannot listen on {host} port {port}: {error.strerror or error}.") from error
