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
from notifications.serving.supervisor import ALIVE, LIFE_SECONDS, READY, Supervisor, Worker
from notifications.serving.worker_counts import Scribe
from notifications.streaming.connection.transport import tune_socket
from notifications.streaming.process.runtime import drain_current

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 30
# What a worker may need beyond its drain, to end its threads and connections.
END_SECONDS: Final = 3.0
# How many more objects, and passes over them, there have to be before Python looks for cycles. Ten thousand
# streams are half a million objects that live long. At Python's own 700, 10 and 10, what a look at all of
# them, or a batch of changes, needs for a moment counts as old, and the collector goes through everything: a
# tenth of a second for nothing.
GC_THRESHOLDS: Final = (50_000, 20, 50)


class HubServer(uvicorn.Server):
    """One worker that closes its streams politely when it is told to stop.

    Args:
        application: the ASGI application.
        on_serving: called once connections are accepted.
        on_life: called every second by the event loop, from then on until the streams are closed.
    """

    def __init__(
        self,
        application: str,
        *,
        on_serving: Callable[[], None],
        on_life: Callable[[], None] = lambda: None,
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
        self._on_life = on_life
        self._living: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and say so."""
        await super().startup(sockets)
        gc.freeze()  # what was imported is never garbage
        gc.set_threshold(*GC_THRESHOLDS)
        self._on_serving()
        self._living = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(LIFE_SECONDS)
            self._on_life()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, close the streams, and only then do what uvicorn does, which would wait for them
        for ever.
        """
        for server in self.servers:
            server.close()
        await drain_current()
        if self._living is not None:
            self._living.cancel()
        await super().shutdown(sockets)


def serve(
    application: str,
    listening: socket.socket,
    *,
    on_serving: Callable[[], None],
    on_life: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    Args:
        application: import path of the ASGI application.
        listening: from ``listen``.
        on_serving: called once connections are accepted.
        on_life: called every second by the event loop that serves.
    """
    server_log = logging.getLogger("uvicorn.error")
    server_log.setLevel(logging.WARNING)
    server_log.addFilter(without_upgrades)
    logging.getLogger("uvicorn.access").addFilter(without_static)
    server = HubServer(application, on_serving=on_serving, on_life=on_life)

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn has handlers of its own while it runs. These are for a signal that comes while the application
    # is still being imported, and for the same one that uvicorn repeats after a clean stop, which must not
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
    """Have several workers serve until SIGTERM or SIGINT; a dead one is replaced, SIGHUP replaces them one
    after the other.

    Args:
        command: starts a worker, which calls ``work``, once its number and two file descriptors are appended.
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


def work(application: str, listening: socket.socket, lifeline: socket.socket, scribe: Scribe) -> None:
    """Serve as one of several workers, until SIGTERM, SIGINT, or the end of the supervisor, then drain and
    return.

    Args:
        application: import path of the ASGI application.
        listening: the socket that all of them share.
        lifeline: the worker's end.
        scribe: writes down what this worker counts.
    """
    # A hang-up is for the supervisor, which a terminal tells at the same time.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline, scribe), name="hub-lifeline", daemon=True).start()
    # By SIGABRT the supervisor asks a worker that hangs where each of its threads stands.
    faulthandler.enable()

    def say_alive() -> None:
        # A supervisor that does not listen for the moment must not make a worker wait.
        with contextlib.suppress(OSError):
            lifeline.send(ALIVE, socket.MSG_DONTWAIT)

    scribe.start()
    serve(application, listening, on_serving=lambda: lifeline.sendall(READY), on_life=say_alive)
    scribe.stop()


def _end_with(lifeline: socket.socket, scribe: Scribe) -> None:
    """End this process when the other end of the lifeline is closed; for certain, if it does not drain."""
    lifeline.recv(1)
    logging.getLogger(__name__).error("The supervisor is gone, so this worker ends")
    scribe.tally.remove()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_stop_seconds())
    os.kill(os.getpid(), signal.SIGKILL)


def _stop_seconds() -> float:
    return hub_config().drain_seconds + END_SECONDS


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, tuned.

    Raises:
        OSError: the address cannot be had.
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
    """Leave out that somebody asked for a WebSocket, which is answered as if he had not, and uvicorn's advice
    to install one.
    """
    return not str(record.msg).startswith(("Unsupported upgrade request", "No supported WebSocket library"))


def without_static(record: logging.LogRecord) -> bool:
    """Leave the files of a page, some thirty lines for each visit, out of uvicorn's access log; a missing one
    stays in.
    """
    match record.args:
        case (_, _, str() as path, _, int() as status):
            return status >= 400 or f"/{settings.STATIC_URL.strip('/')}/" not in path
    return True
