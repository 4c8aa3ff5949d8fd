"""What a serving process runs beside its event loop: the sweeper. It starts with the first ASGI scope, never with Django.

A management command or a shell that imports the hub starts nothing.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from django.db import close_old_connections, connections

from notifications import services
from notifications.conf import hub_config
from notifications.streaming import limits

logger = logging.getLogger(__name__)

JITTER: Final = 0.2
STOP_SECONDS: Final = 1.0


class Sweeper(threading.Thread):
    """Sweeps every ``sweep_seconds``, so that any committed row is announced, whoever wrote it. Outlives any failure."""

    def __init__(self) -> None:
        super().__init__(name="hub-sweeper", daemon=True)
        self.pid = os.getpid()
        self._stopping = threading.Event()
        self._is_failing = False

    def run(self) -> None:
        """Sweep until ``stop``."""
        while True:
            self._sweep()
            if self._stopping.wait(limits.spread(hub_config().sweep_seconds, JITTER)):
                connections.close_all()
                return

    def stop(self) -> None:
        """End after the run that is going on, which is waited for a second at most."""
        self._stopping.set()
        self.join(STOP_SECONDS)

    def _sweep(self) -> None:
        close_old_connections()
        try:
            services.sweep()
            services.write_token_uses()
            services.forget_used_tickets()
            self._is_failing = False
        except Exception:
            if not self._is_failing:
                logger.exception("A sweep failed; the next one tries again")
            self._is_failing = True
        finally:
            close_old_connections()


_sweeper: Sweeper | None = None
_lock = threading.Lock()


def start() -> None:
    """Start what a serving process needs; again, it does nothing. A child of fork() starts its own."""
    global _sweeper
    if _sweeper is not None and _sweeper.pid == os.getpid():
        return
    with _lock:
        if _sweeper is None or _sweeper.pid != os.getpid():
            _sweeper = Sweeper()
            _sweeper.start()


def stop() -> None:
    """Stop it again."""
    global _sweeper
    with _lock:
        if _sweeper is not None:
            _sweeper.stop()
        _sweeper = None
