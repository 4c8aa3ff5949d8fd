"""The production server: uvicorn, with the drain, the socket options and the log lines that a hub needs."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import uvicorn
from django.conf import settings

from notifications.conf import hub_config
from notifications.serving.supervisor import ALIVE, READY, SIGN_OF_LIFE_SECONDS, Supervisor, Worker
from notifications.serving.worker_counts import CountsWriter
from notifications.streaming.connection.transport import tune_socket
from notifications.streaming.process.runtime import drain_current

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 30
# The time that a worker may take beyond its drain to end its threads and connections.
END_SECONDS: Final = 3.0
# How many new objects, and collections of the younger generations, start a garbage collection. Ten thousand
# streams are half a million objects that live long. With Python's own 700, 10 and 10, the objects that a
# check of all streams or a batch of changes needs for a moment are counted as old, and the collector then
# visits everything: a tenth of a second for nothing.
GC_THRESHOLDS: Final = (50_000, 20, 50)


class HubServer(uvicorn.Server):
    """A worker that closes its streams properly when it is told to stop.

    Args:
        application: the ASGI application.
        on_serving: called once connections are accepted.
        on_sign_of_life: called every second by the event loop, from then on until the streams are closed.
    """

    def __init__(
        self,
        application: str,
        *,
        on_serving: Callable[[], None],
        on_sign_of_life: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                ws="none",
                lifespan="on",
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, round(hub_config().drain_seconds / 2)),
            )
        )
        self._on_serving = on_serving
        self._on_sign_of_life = on_sign_of_life
        self._sign_of_life_task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and report that."""
        await super().startup(sockets)
        gc.freeze()  # what was imported is never garbage
        gc.set_threshold(*GC_THRESHOLDS)
        self._on_serving()
        self._sign_of_life_task = asyncio.create_task(self._send_sign_of_life())

    async def _send_sign_of_life(self) -> None:
        while True:
            await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
            self._on_sign_of_life()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, close the streams, and then do what uvicorn does.

        uvicorn alone would wait for the streams for ever.
        """
        for server in self.servers:
            server.close()
        await drain_current()
        if self._sign_of_life_task is not None:
            self._sign_of_life_task.cancel()
        await super().shutdown(sockets)


def serve(
    application: str,
    listening: socket.socket,
    *,
    on_serving: Callable[[], None],
    on_sign_of_life: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    Args:
        application: import path of the ASGI application.
        listening: the socket that ``listen`` has returned.
        on_serving: called once connections are accepted.
        on_sign_of_life: called every second by the event loop that serves.
    """
    server_log = logging.getLogger("uvicorn.error")
    server_log.setLevel(logging.WARNING)
    server_log.addFilter(without_upgrades)
    logging.getLogger("uvicorn.access").addFilter(without_static)
    server = HubServer(application, on_serving=on_serving, on_sign_of_life=on_sign_of_life)

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn installs its own handlers while it runs. These are for a signal that comes while the application
    # is still being imported, and for the signal that uvicorn raises again after a clean stop, which must not
    # end in a traceback.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listening])


def supervise(
    command: Sequence[str],
    listening: socket.socket,
    worker_count: int,
    *,
    on_serving: Callable[[], None],
    on_ended: Callable[[Worker], None],
) -> bool:
    """Have several workers serve until SIGTERM or SIGINT.

    A dead worker is replaced, and SIGHUP replaces all of them one after the other.

    Args:
        command: starts a worker, which calls ``work``. Its number and two file descriptors are appended.
        listening: from ``listen``.
        worker_count: how many.
        on_serving: called once all of them serve.
        on_ended: called with each worker that has ended; it must not wait for anything.

    Returns:
        False when no worker stayed alive.
    """
    supervisor = Supervisor(
        command,
        listening,
        worker_count,
        stop_seconds=_stop_seconds(),
        lost_seconds=hub_config().worker_lost_seconds,
        on_serving=on_serving,
        on_ended=on_ended,
    )
    return asyncio.run(supervisor.run())


def work(
    application: str, listening: socket.socket, lifeline: socket.socket, counts_writer: CountsWriter
) -> None:
    """Serve as one of several workers, then drain and return.

    It stops at SIGTERM or SIGINT, or when the supervisor is gone.

    Args:
        application: import path of the ASGI application.
        listening: the socket that all workers share.
        lifeline: the worker's end of the socket pair.
        counts_writer: writes down what this worker counts.
    """
    # SIGHUP is meant for the supervisor, which a terminal signals at the same time.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(
        target=_end_with_supervisor, args=(lifeline, counts_writer), name="hub-lifeline", daemon=True
    ).start()
    # With SIGABRT the supervisor makes a hanging worker print the stack of each of its threads.
    faulthandler.enable()

    def say_alive() -> None:
        # A supervisor that does not read at the moment must not make a worker wait.
        with contextlib.suppress(OSError):
            lifeline.send(ALIVE, socket.MSG_DONTWAIT)

    counts_writer.start()
    serve(application, listening, on_serving=lambda: lifeline.sendall(READY), on_sign_of_life=say_alive)
    counts_writer.stop()


def _end_with_supervisor(lifeline: socket.socket, counts_writer: CountsWriter) -> None:
    """Stop this process when the other end of the lifeline is closed; kill it if it does not drain."""
    lifeline.recv(1)
    logging.getLogger(__name__).error("The supervisor is gone, so this worker stops")
    counts_writer.worker_counts.remove()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_stop_seconds())
    os.kill(os.getpid(), signal.SIGKILL)


def _stop_seconds() -> float:
    return hub_config().drain_seconds + END_SECONDS


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket with the hub's socket options.

    Raises:
        OSError: the address is not available.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tune_socket(listening)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def without_upgrades(record: logging.LogRecord) -> bool:
    """Drop uvicorn's lines about WebSocket requests, which are answered like any other request."""
    return not str(record.msg).startswith(("Unsupported upgrade request", "No supported WebSocket library"))


def without_static(record: logging.LogRecord) -> bool:
    """Drop successful requests for static files, about thirty for each visit, from uvicorn's access log.

    A file that is missing is still logged.
    """
    match record.args:
        case (_, _, str() as path, _, int() as status):
            return status >= 400 or f"/{settings.STATIC_URL.strip('/')}/" not in path
    return True
