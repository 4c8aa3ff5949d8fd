"""Ports for the servers that tests start: each is one process's own for as long as that process lives.

A port that the kernel hands out (`bind` to 0) is free only at that moment: until the server binds it, or
while it restarts, the kernel may give the same one to any connection on its way out. So the ports here come
from below the range that it hands out, and each is claimed by a UDP socket of the same number: it keeps other
test processes away, leaves TCP alone, and the kernel drops it with the process.
"""

from __future__ import annotations

import random
import socket
from contextlib import closing
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 10_000
LINUX_HANDS_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
HANDED_OUT_FROM = 32_768  # by Linux as it comes; others begin higher

_claims: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback address that nobody listens on, this process's own until it ends. Raises
    `RuntimeError` when there is none.
    """
    ports = _ports()
    first = random.randrange(len(ports))
    for index in range(first, first + len(ports)):
        port = ports[index % len(ports)]
        if _nobody_listens(port) and _claim(port):
            return port
    raise RuntimeError(f"every port of {HOST} from {ports.start} to {ports.stop - 1} is taken")


def _ports() -> range:
    try:
        handed_out_from = int(LINUX_HANDS_OUT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        handed_out_from = HANDED_OUT_FROM
    # Where the kernel may hand out nearly every port, any of them is as good.
    return range(LOWEST, handed_out_from if handed_out_from > LOWEST + 5_000 else 65_536)


def _nobody_listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return _binds(probe, port)


def _claim(port: int) -> bool:
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if _binds(claim, port):
        _claims.append(claim)
        return True
    claim.close()
    return False


def _binds(a_socket: socket.socket, port: int) -> bool:
    try:
        a_socket.bind((HOST, port))
    except OSError:
        return False
    return True
