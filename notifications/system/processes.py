"""Processes of this machine: their identity, whether one still runs, and how much it has worked.

All of it is read from Linux's ``/proc``. On other systems nothing is known, and callers fall back on waiting.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
# Fields of /proc/PID/stat, counted after the command, which may hold spaces and brackets (in proc(5) they are
# 3, 14, 15 and 22).
_STATE, _USER_TICKS, _SYSTEM_TICKS, _START_TICKS = 0, 11, 12, 19


def identity_of(pid: int) -> str:
    """Return what tells a running process from all others that any machine ever ran.

    It names the machine's boot, the namespace that counts its process ids (a container has its own), the id,
    and the time of the start, because ids are reused.

    Args:
        pid: of the process.

    Returns:
        At most 100 characters; empty when the process has ended, or the system does not tell.
    """
    fields = _stat(pid)
    return f"{machine()}:{pid}:{fields[_START_TICKS]}" if machine() and fields else ""


def is_dead(identity: str) -> bool:
    """Return whether the process is certain to have ended.

    That is never certain of a process of another machine, nor of an empty identity.
    """
    here, _, pid = identity.rpartition(":")[0].rpartition(":")
    return bool(identity) and here == machine() and identity_of(int(pid)) != identity


@lru_cache(maxsize=1)
def machine() -> str:
    """Return this machine's boot and this namespace of process ids; empty when they are not known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (_PROC / "self/ns/pid").readlink()
    except OSError:
        return ""
    return f"{boot}/{str(namespace).strip('pid:[]')}"


def cpu_seconds(pid: int) -> float | None:
    """Return how long all threads of a process have worked since its start; None when that is not known."""
    fields = _stat(pid)
    if not fields:
        return None
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields after the command; none for a process that has ended, even as a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return fields if fields and fields[_STATE] not in "ZX" else []
