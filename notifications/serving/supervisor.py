"""Supervises several workers on one socket: starts, replaces, restarts and drains them.

Each worker is a new process that inherits the socket and one end of a *lifeline*, a socket pair. It writes
one byte there when it serves, and then one every second from its event loop: a worker that serves and is
silent for ``worker_lost_seconds`` hangs, and is ended. When the supervisor's end closes, because the
supervisor is gone for whatever reason, the worker drains and ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from notifications.streaming.tasks import cancel_all
from notifications.system.processes import cpu_seconds, identity_of

logger = logging.getLogger(__name__)

# A worker that starts may be slow, but not idle: one that has used no CPU time for so long is stuck. Each
# failure in a row doubles this, up to the maximum.
START_SECONDS: Final = 60.0
MAX_START_SECONDS: Final = 960.0
# A worker that lives shorter than this has failed to start.
STABLE_SECONDS: Final = 10.0
MAX_FAILURES: Final = 5
MAX_PAUSE_SECONDS: Final = 30.0
READY: Final = b"r"
ALIVE: Final = b"."
# How often a worker that serves shows that its event loop runs.
SIGN_OF_LIFE_SECONDS: Final = 1.0
# The time in which a hanging worker may print the stacks of its threads before it is killed.
ABORT_SECONDS: Final = 2.0


class Worker:
    """One worker process, from its start to its end.

    Args:
        number: of its place, from 1.
        process: the process itself.
        lifeline: the supervisor's end, which is closed when the worker has ended.
        start_seconds: how long it may do nothing before it serves.
    """

    def __init__(
        self, number: int, process: Process, lifeline: socket.socket, *, start_seconds: float
    ) -> None:
        self.number = number
        self.pid = process.pid
        self.identity = identity_of(process.pid)
        self._process = process
        self._lifeline = lifeline
        self._start_seconds = start_seconds
        self._has_started_or_ended = asyncio.Event()
        self._heard_at = time.monotonic()
        self._serving_since: float | None = None
        self._ended_at: float | None = None
        asyncio.get_running_loop().add_reader(lifeline, self._read_lifeline)

    def __str__(self) -> str:
        return f"Worker {self.number} (process {self.pid})"

    def is_serving(self) -> bool:
        """Return whether it has reported that it serves, and has not ended."""
        return self._serving_since is not None and not self.has_ended()

    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.returncode is not None

    def has_ended_well(self) -> bool:
        """Return whether it has ended as it was told to, with its streams closed."""
        return self._process.returncode == 0

    def is_stable(self) -> bool:
        """Return whether it has served for a while, now or until its end."""
        now = self._ended_at or time.monotonic()
        return self._serving_since is not None and now - self._serving_since >= STABLE_SECONDS

    async def wait_serving(self) -> bool:
        """Wait until it serves; return False when it ends before that."""
        await self._has_started_or_ended.wait()
        return self.is_serving()

    async def watch_start(self) -> None:
        """Wait until it serves or ends; kill it when it has done nothing for ``start_seconds``.

        A worker that is busy may take as long as it needs. If a slow start were killed on a busy machine, it
        would be tried again for ever, and make the machine busier.
        """
        worked: float | None = None
        while not self._has_started_or_ended.is_set():
            try:
                async with asyncio.timeout(self._start_seconds):
                    await self._has_started_or_ended.wait()
            except TimeoutError:
                before, worked = worked, cpu_seconds(self.pid)
                if worked is None or worked == before:
                    logger.error(
                        "%s has done nothing for %g s and does not serve, so it is killed",
                        self,
                        self._start_seconds,
                    )
                    self.send_signal(signal.SIGKILL)
                    await self.wait_ended()
                else:
                    logger.warning("%s is slow to start: it has worked for %.1f s so far", self, worked)

    def silent_seconds(self) -> float:
        """Return for how long a serving worker has shown no sign of life; 0 for any other."""
        return time.monotonic() - self._heard_at if self.is_serving() else 0.0

    async def abort(self) -> None:
        """End it at once, after it has printed the stacks of its threads if it can."""
        self.send_signal(signal.SIGABRT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await self.wait_ended()
        self.send_signal(signal.SIGKILL)
        await self.wait_ended()

    async def wait_ended(self) -> str:
        """Wait for its end, and return in words how it ended."""
        code = await self._process.wait()
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            asyncio.get_running_loop().remove_reader(self._lifeline)
            self._lifeline.close()
            self._has_started_or_ended.set()
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    async def stop(self, seconds: float) -> None:
        """Have it drain; kill it when it has not ended after ``seconds``."""
        self.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.wait_ended()
        except TimeoutError:
            logger.error("%s has not ended %g s after SIGTERM, and is killed", self, seconds)
            self.send_signal(signal.SIGKILL)
            await self.wait_ended()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _read_lifeline(self) -> None:
        received = self._lifeline.recv(4_096)
        self._heard_at = time.monotonic()
        if READY in received:
            self._serving_since = self._heard_at
        if not received:
            asyncio.get_running_loop().remove_reader(self._lifeline)
        if READY in received or not received:
            self._has_started_or_ended.set()


class Place:
    """The place of one worker: who works there now, and how many workers in a row have failed there."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.failure_count = 0
        # Held while the worker is being replaced, after its end or by a restart.
        self.lock = asyncio.Lock()

    def keeps_failing(self) -> bool:
        """Return whether the last few workers here ended soon after their start."""
        return self.failure_count >= MAX_FAILURES and not self.worker.is_stable()

    def note_end(self) -> None:
        """Count the end of the worker; one that had served for a while starts the count again."""
        self.failure_count = 1 if self.worker.is_stable() else self.failure_count + 1

    def start_seconds(self) -> float:
        """Return how long the next worker here may do nothing before it serves."""
        return min(MAX_START_SECONDS, START_SECONDS * 2.0**self.failure_count)

    def pause_seconds(self) -> float:
        """Return how long to wait before the next start: none after the first end, then longer each time."""
        return min(MAX_PAUSE_SECONDS, 0.25 * 2**self.failure_count) if self.failure_count > 1 else 0.0


class Supervisor:
    """Keeps several workers serving on one socket.

    Args:
        command: starts a worker. The numbers of the worker, the socket and the lifeline are appended.
        listening: the bound socket.
        worker_count: how many.
        stop_seconds: after which a worker that does not end is killed.
        lost_seconds: after which a worker whose event loop shows no sign of life is ended.
        on_serving: called once, when all of them serve.
        on_ended: called with each worker that has ended; it must not wait for anything.
    """

    def __init__(
        self,
        command: Sequence[str],
        listening: socket.socket,
        worker_count: int,
        *,
        stop_seconds: float,
        lost_seconds: float,
        on_serving: Callable[[], None],
        on_ended: Callable[[Worker], None] = lambda worker: None,
    ) -> None:
        self._command = command
        self._listening = listening
        self._worker_count = worker_count
        self._stop_seconds = stop_seconds
        self._lost_seconds = lost_seconds
        self._on_ended = on_ended
        self._on_serving: Callable[[], None] | None = on_serving
        self._places: list[Place] = []
        self._workers: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._restarting: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._has_failed = False

    async def run(self) -> bool:
        """Supervise until SIGTERM or SIGINT; SIGHUP restarts the workers one after the other.

        Returns:
            False when it gave up, because no worker stays alive.

        Raises:
            OSError: the first workers cannot be started at all.
        """
        self._handle_signals()
        for number in range(1, self._worker_count + 1):
            self._places.append(Place(await self._launch(number, START_SECONDS)))
        for place in self._places:
            self._start_task(self._replace_ended(place))
        self._start_task(self._end_unresponsive())
        await self._stopping.wait()
        await cancel_all(self._tasks)
        await asyncio.gather(*(worker.stop(self._stop_seconds) for worker in self._workers))
        return not self._has_failed

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        # A terminal that closes sends SIGHUP too, and there it means the end.
        loop.add_signal_handler(signal.SIGHUP, self._stop if os.isatty(0) else self._restart)

    def _stop(self) -> None:
        """Begin the drain; a second call kills the workers instead of waiting for them."""
        if self._stopping.is_set():
            for worker in self._workers:
                worker.send_signal(signal.SIGKILL)
        self._stopping.set()

    def _restart(self) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = self._start_task(self._restart_in_turn())

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._check_failure)
        return task

    def _check_failure(self, task: asyncio.Task[None]) -> None:
        """Stop everything when a task of the supervisor itself has failed.

        Whatever started the hub then notices, and starts it again.
        """
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.critical("The supervisor has failed, so the hub stops", exc_info=error)
            self._has_failed = True
            self._stopping.set()

    async def _launch(self, number: int, start_seconds: float) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        inherited = (self._listening.fileno(), theirs.fileno())
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, (number, *inherited)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=inherited,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(number, process, ours, start_seconds=start_seconds)
        self._workers = {each for each in self._workers if not each.has_ended()} | {worker}
        self._start_task(self._report_start(worker))
        self._start_task(self._report_end(worker))
        return worker

    async def _report_start(self, worker: Worker) -> None:
        await worker.watch_start()
        if not worker.is_serving():
            return
        logger.info("%s serves", worker)
        if self._on_serving and all(place.worker.is_serving() for place in self._places):
            on_serving, self._on_serving = self._on_serving, None
            on_serving()

    async def _report_end(self, worker: Worker) -> None:
        await worker.wait_ended()
        self._on_ended(worker)

    async def _end_unresponsive(self) -> None:
        """End the workers whose event loop hangs: they accept connections and answer none."""
        interval = min(SIGN_OF_LIFE_SECONDS, self._lost_seconds / 4)
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(interval)
            if time.monotonic() - slept_at > 2 * interval:
                # This process itself was kept from running, and so perhaps were they. They are checked again.
                continue
            for worker in tuple(self._workers):
                if (silence := worker.silent_seconds()) > self._lost_seconds:
                    logger.error("%s has shown no sign of life for %.0f s, so it is ended", worker, silence)
                    await worker.abort()

    async def _replace_ended(self, place: Place) -> None:
        """Start another worker in this place whenever one has ended by itself."""
        while True:
            worker = place.worker
            how = await worker.wait_ended()
            if worker is not place.worker:
                continue
            place.note_end()
            if all(each.keeps_failing() for each in self._places):
                logger.error(
                    "%s %s. No worker stays alive, so the hub stops; see the errors above.", worker, how
                )
                self._has_failed = True
                self._stopping.set()
                return
            pause_seconds = place.pause_seconds()
            logger.error("%s %s; another one starts in %g s", worker, how, pause_seconds)
            await asyncio.sleep(pause_seconds)
            async with place.lock:
                if worker is place.worker and (successor := await self._try_launch(place)):
                    place.worker = successor

    async def _try_launch(self, place: Place) -> Worker | None:
        number = place.worker.number
        try:
            return await self._launch(number, place.start_seconds())
        except OSError as error:  # memory or file descriptors are short now, and may not be later
            logger.error("Worker %d cannot be started: %s", number, error)
            return None

    async def _restart_in_turn(self) -> None:
        """Replace the workers in turn, each once its successor serves; stop at the first failure."""
        for place in self._places:
            async with place.lock:
                former, successor = place.worker, await self._try_launch(place)
                if successor is None or not await successor.wait_serving():
                    logger.error(
                        "The restart ends here: %s stays, because its successor does not start", former
                    )
                    return
                place.worker, place.failure_count = successor, 0
            await former.stop(self._stop_seconds)
        logger.info("Every worker was replaced")
