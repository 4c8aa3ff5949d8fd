"""The bare server as a process, and what a write costs there."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Self

from benchmarks.clients import Clients
from benchmarks.machine import cpu_seconds
from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.waiting import wait_until


class BareServer:
    """A process of `benchmarks.bare` with some connections."""

    def __init__(self, connection_count: int) -> None:
        self.connection_count = connection_count
        self._port = free_port()
        self._folder = GuardedFolder("hub-bare-")
        command = [sys.executable, "-m", "benchmarks.bare", str(self._port)]
        self._process = GuardedProcess(command, log=self._folder.path / "log")
        self._clients = Clients()

    def seconds_per_write(self, *, count: int, per_second: int, size: int) -> float:
        """The CPU time of one write of so many bytes to one connection."""
        expected = self._clients.frame_count + count * self.connection_count
        before = cpu_seconds(self._process.pid)
        with socket.create_connection((HOST, self._port)) as control:
            control.sendall(f"{count} {per_second} {size}".encode())
            control.recv(16)
        self._clients.wait_frames(expected)
        return (cpu_seconds(self._process.pid) - before) / (count * self.connection_count)

    def _accepts(self) -> bool:
        with contextlib.suppress(ConnectionError), socket.create_connection((HOST, self._port)):
            return True
        return False

    def __enter__(self) -> Self:
        wait_until(self._accepts, timeout=20, what="the bare server")
        self._clients.connect(self._port, self.connection_count)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._clients.close()
        self._process.end()
        self._folder.remove()
