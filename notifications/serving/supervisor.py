"""Several workers on one listening socket: started, replaced when they die, restarted one after the other,
and drained.

Each worker is a fresh process that inherits the socket and one end of a *lifeline*, a socket pair. It writes
one byte there when it serves, and from then on one each second out of its event loop: a worker whose loop
says nothing for ``worker_lost_seconds`` hangs, and is ended. When the supervisor's end closes, because the
supervisor is gone however it went, the worker drains and ends by itself.
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

from notifications.streaming.tasks import end_all
from notifications.system.processes import cpu_seconds, identity_of

logger = logging.getLogger(__name__)

# A worker that starts may be slow, but not idle: one that has not worked at all for so long is stuck. Each
# failure in a row doubles it, up to the most.
START_SECONDS: Final = 60.0
MAX_START_SECONDS: Final = 960.0
# A worker that lives shorter than this has failed to start.
STABLE_SECONDS: Final = 10.0
MAX_FAILURES: Final = 5
MAX_PAUSE_SECONDS: Final = 30.0
READY: Final = b"r"
ALIVE: Final = b"."
# How often a worker that serves says that its event loop turns.
LIFE_SECONDS: Final = 1.0
# What a hanging worker has to write down where each of its threads stands, before it is killed.
ABORT_SECONDS: Final = 2.0


class Worker:
    """One worker process, from its start to its end.

    Args:
        number: of its place, from 1.
        process: the process itself.
        lifeline: the supervisor's end, which is closed with the worker's end.
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
        self._has_spoken = asyncio.Event()
        self._heard_at = time.monotonic()
        self._serving_since: float | None = None
        self._ended_at: float | None = None
        asyncio.get_running_loop().add_reader(lifeline, self._hear)

    def __str__(self) -> str:
        return f"Worker {self.number} (process {self.pid})"

    def is_serving(self) -> bool:
        """Whether it has said so, and has not ended."""
        return self._serving_since is not None and not self.has_ended()

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.returncode is not None

    def has_ended_well(self) -> bool:
        """Whether it has ended by itself, as it was told to, with its streams closed."""
        return self._process.returncode == 0

    def is_stable(self) -> bool:
        """Whether it has served, or had until its end, for a while."""
        now = self._ended_at or time.monotonic()
        return self._serving_since is not None and now - self._serving_since >= STABLE_SECONDS

    async def wait_serving(self) -> bool:
        """Wait until it serves; False when it ends before."""
        await self._has_spoken.wait()
        return self.is_serving()

    async def watch_start(self) -> None:
        """Wait until it serves or ends; kill it when it has done nothing for ``start_seconds``.

        As long as it works it is left alone, however long it takes: on a busy machine a start that is killed
        for being slow would be tried again for ever, and make the machine busier.
        """
        worked: float | None = None
        while not self._has_spoken.is_set():
            try:
                async with asyncio.timeout(self._start_seconds):
                    await self._has_spoken.wait()
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
        """For how long nothing was heard of a worker that serves; 0 for any other."""
        return time.monotonic() - self._heard_at if self.is_serving() else 0.0

    async def abort(self) -> None:
        """End it at once; before that it writes down, if it can, what each of its threads is doing."""
        self.send_signal(signal.SIGABRT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await self.wait_ended()
        self.send_signal(signal.SIGKILL)
        await self.wait_ended()

    async def wait_ended(self) -> str:
        """Wait for its end, and tell in words how it ended."""
        code = await self._process.wait()
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            asyncio.get_running_loop().remove_reader(self._lifeline)
            self._lifeline.close()
            self._has_spoken.set()
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

    def _hear(self) -> None:
        said = self._lifeline.recv(4_096)
        self._heard_at = time.monotonic()
        if READY in said:
            self._serving_since = self._heard_at
        if not said:
            asyncio.get_running_loop().remove_reader(self._lifeline)
        if READY in said or not said:
            self._has_spoken.set()


class Place:
    """One of the places for workers: who works there, and how often in a row somebody has failed to."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.failure_count = 0
        # Held while the worker is being replaced, by whichever of the two that do.
        self.lock = asyncio.Lock()

    def is_hopeless(self) -> bool:
        """Whether the last few workers here ended soon after their start."""
        return self.failure_count >= MAX_FAILURES and not self.worker.is_stable()

    def note_end(self) -> None:
        """Count the end of the worker; one that had served for a while begins a new row."""
        self.failure_count = 1 if self.worker.is_stable() else self.failure_count + 1

    def start_seconds(self) -> float:
        """How long the next worker here may do nothing before it serves."""
        return min(MAX_START_SECONDS, START_SECONDS * 2.0**self.failure_count)

    def pause_seconds(self) -> float:
        """How long to wait before the next start: not at all after the first end, then longer each time."""
        return min(MAX_PAUSE_SECONDS, 0.25 * 2**self.failure_count) if self.failure_count > 1 else 0.0


class Supervisor:
    """Keeps workers serving on one socket.

    Args:
        command: starts a worker, once the numbers of the worker, the socket and the lifeline are appended.
        listening: the bound socket.
        worker_count: how many.
        stop_seconds: after which a worker that does not end is killed.
        lost_seconds: after which a worker whose event loop says nothing is ended.
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
            self._begin(self._keep(place))
        self._begin(self._end_hanging())
        await self._stopping.wait()
        await end_all(self._tasks)
        await asyncio.gather(*(worker.stop(self._stop_seconds) for worker in self._workers))
        return not self._has_failed

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        # A terminal that closes says the same word, and means the end.
        loop.add_signal_handler(signal.SIGHUP, self._stop if os.isatty(0) else self._restart)

    def _stop(self) -> None:
        """Begin the drain; when that is asked for again, do not wait for it."""
        if self._stopping.is_set():
            for worker in self._workers:
                worker.send_signal(signal.SIGKILL)
        self._stopping.set()

    def _restart(self) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = self._begin(self._roll())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._look_at)
        return task

    def _look_at(self, task: asyncio.Task[None]) -> None:
        """Nothing here may fail unseen: whoever started the hub starts it again."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.critical("The supervisor has failed, so the hub ends", exc_info=error)
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
        self._begin(self._welcome(worker))
        self._begin(self._bury(worker))
        return worker

    async def _welcome(self, worker: Worker) -> None:
        await worker.watch_start()
        if not worker.is_serving():
            return
        logger.info("%s serves", worker)
        if self._on_serving and all(place.worker.is_serving() for place in self._places):
            on_serving, self._on_serving = self._on_serving, None
            on_serving()

    async def _bury(self, worker: Worker) -> None:
        await worker.wait_ended()
        self._on_ended(worker)

    async def _end_hanging(self) -> None:
        """End the workers whose event loop has stopped: they take connections, and answer none."""
        interval = min(LIFE_SECONDS, self._lost_seconds / 4)
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(interval)
            if time.monotonic() - slept_at > 2 * interval:
                # this process itself was kept from running, and so perhaps were they: they get one more look
                continue
            for worker in tuple(self._workers):
                if (silence := worker.silent_seconds()) > self._lost_seconds:
                    logger.error("%s has shown no sign of life for %.0f s, so it is ended", worker, silence)
                    await worker.abort()

    async def _keep(self, place: Place) -> None:
        """Start another worker in this place whenever one has ended that was not to."""
        while True:
            worker = place.worker
            how = await worker.wait_ended()
            if worker is not place.worker:
                continue
            place.note_end()
            if all(each.is_hopeless() for each in self._places):
                logger.error("%s %s. No worker stays alive, so the hub ends; why stands above.", worker, how)
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
        except OSError as error:  # no memory, no file descriptors: it may be there later
            logger.error("Worker %d cannot be started: %s", number, error)
            return None

    async def _roll(self) -> None:
        """Replace the workers one after the other, each by one that serves already; end at the first that
        does not.
        """
        for place in self._places:
            async with place.lock:
                former, successor = place.worker, await self._try_launch(place)
                if successor is None or not await successor.wait_serving():
                    logger.error("The restart ends here: %s stays, its successor does not start", former)
                    return
                place.worker, place.failure_count = successor, 0
            await former.stop(self._stop_seconds)
        logger.info("Every worker is a new one")
