"""Talks to systemd: takes the socket that it keeps over restarts, and reports when the hub serves.

The protocols are four environment variables (sd_listen_fds(3), sd_notify(3)); without systemd nothing here
does anything.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

FIRST_DESCRIPTOR: Final = 3


def inherited_socket() -> socket.socket | None:
    """Return the listening socket of the service's socket unit; None when this process was given none.

    Raises:
        OSError: there are several sockets, or it is not a listening one.
    """
    environment = _first_environment()
    if environment.get("LISTEN_PID") != str(os.getpid()) or not (count := environment.get("LISTEN_FDS")):
        return None
    if count != "1":
        raise OSError("The socket unit must have one ListenStream=, not several.")
    os.set_inheritable(FIRST_DESCRIPTOR, False)
    listening = socket.socket(fileno=FIRST_DESCRIPTOR)
    if not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError("The socket unit must have Accept=no.")
    if listening.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError("The socket unit must listen on an address and a port.")
    return listening


def _first_environment() -> dict[str, str]:
    """Return the environment that this process was started with.

    Twisted, which Daphne imports, has removed these variables from ``os.environ``.
    """
    block = Path("/proc/self/environ")
    if not block.exists():
        return {}
    pairs = block.read_bytes().decode(errors="replace").split("\0")
    return dict(pair.partition("=")[::2] for pair in pairs if pair)


def notify_ready() -> None:
    """Tell systemd that the hub serves (``Type=notify``)."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    # An @ stands for the NUL at the beginning of an abstract address.
    path = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.sendto(b"READY=1", path)
