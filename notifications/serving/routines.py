"""The background threads of a serving process: the sweeper, the broadcaster and the replayer.

They start with the first ASGI scope, never with Django: a management command or a shell that imports the hub
starts nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from django.db import close_old_connections, connections

from notifications import services
from notifications.conf import hub_config
from notifications.sql.dialect import is_sqlite
from notifications.streaming import serving_process, timing
from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 1.0


class Routine(threading.Thread, ABC):
    """A thread that repeats one kind of work until it is stopped, whatever fails.

    Args:
        name: of the thread, and of the work in the log.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=f"hub-{name}", daemon=True)
        self._stopping = threading.Event()
        self._outage = Outage(
            logger,
            began=f"The {name} failed and will try again",
            over=f"The {name} works again",
            has_traceback=True,
        )

    @abstractmethod
    def work(self) -> float:
        """Do a part of the work, and return the seconds to wait until the next part."""

    def run(self) -> None:
        """Work until ``stop`` is called."""
        while not self._stopping.wait(self._try()):
            pass
        connections.close_all()

    def ask_to_stop(self) -> None:
        """Stop after the part that is being done."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop after the part that is being done, and wait for that, a second at most."""
        self.ask_to_stop()
        self.join(STOP_SECONDS)

    def _try(self) -> float:
        close_old_connections()
        try:
            pause_seconds = self.work()
            self._outage.recovered()
        except Exception as error:  # noqa: BLE001 (the work is done for as long as the process serves)
            self._outage.failed(error)
            pause_seconds = _interval()
        finally:
            close_old_connections()
        return pause_seconds


class Sweeper(Routine):
    """Sweeps every ``sweep_seconds``, so that any committed row is announced, whoever wrote it."""

    def __init__(self) -> None:
        super().__init__("sweeper")

    def work(self) -> float:
        """Sweep once; what that is stands in ``services.sweeper``."""
        services.sweep()
        return _interval()


class Broadcaster(Routine):
    """Sends broadcasts, one chunk at a time.

    It is a thread of its own, so that broadcasts never delay what the sweeper does.
    """

    def __init__(self) -> None:
        super().__init__("broadcaster")

    def work(self) -> float:
        """Send one chunk."""
        return _pause_after(services.run_broadcast_chunk)


class Replayer(Routine):
    """Runs the replays of staff, one chunk at a time, like the broadcaster."""

    def __init__(self) -> None:
        super().__init__("replayer")

    def work(self) -> float:
        """Replay one chunk."""
        return _pause_after(services.run_replay_chunk)


def _pause_after(run_chunk: Callable[[], bool]) -> float:
    began_at = time.monotonic()
    if not run_chunk():
        return _interval()
    # SQLite has one writer at a time, and those that wait for it retry at intervals. Half of the time is left
    # to them.
    return time.monotonic() - began_at if is_sqlite() else 0


def _interval() -> float:
    return timing.with_jitter(hub_config().sweep_seconds)


_routines: list[Routine] = []
_lock = threading.Lock()


def start() -> None:
    """Start the background threads of a serving process. A second call does nothing.

    A child of fork() starts its own.
    """
    if serving_process.is_serving():
        return
    with _lock:
        if not serving_process.is_serving():
            serving_process.begin()
            _routines[:] = [Sweeper(), Broadcaster(), Replayer()]
            for routine in _routines:
                routine.start()


def stop() -> None:
    """Stop the background threads."""
    with _lock:
        for routine in _routines:
            routine.ask_to_stop()
        for routine in _routines:
            routine.stop()
        _routines.clear()
        serving_process.end()
