"""Processes of this machine: which is which, whether one still runs, and how much it has worked. Read from
Linux's ``/proc``.

Elsewhere nothing is known, and whoever asks falls back on waiting.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
# Fields of /proc/PID/stat after the command, which may hold anything, spaces and brackets included (proc(5):
# 3, 14, 15 and 22).
_STATE, _USER_TICKS, _SYSTEM_TICKS, _START_TICKS = 0, 11, 12, 19


def identity_of(pid: int) -> str:
    """What tells a running process from all others that this or any other machine ever ran.

    The machine's boot, the namespace that counts its process ids (a container has its own), the id, and the
    time of the start, because ids are used again.

    Args:
        pid: of the process.

    Returns:
        At most 100 characters; empty where the process has ended, or the system does not tell.
    """
    fields = _stat(pid)
    return f"{machine()}:{pid}:{fields[_START_TICKS]}" if machine() and fields else ""


def is_dead(identity: str) -> bool:
    """Whether the process is certain to have ended. One of another machine never is, nor one of an empty
    identity.
    """
    here, _, pid = identity.rpartition(":")[0].rpartition(":")
    return bool(identity) and here == machine() and identity_of(int(pid)) != identity


@lru_cache(maxsize=1)
def machine() -> str:
    """This boot of this machine, and this namespace of process ids; empty where the system does not tell."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (_PROC / "self/ns/pid").readlink()
    except OSError:
        return ""
    return f"{boot}/{str(namespace).strip('pid:[]')}"


def cpu_seconds(pid: int) -> float | None:
    """How long a process has worked since its start, all threads together; None where that is not known."""
    fields = _stat(pid)
    if not fields:
        return None
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields after the command; none for a process that has ended, though nobody has waited for it
    yet.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return fields if fields and fields[_STATE] not in "ZX" else []
