"""What a process has used, as the kernel counts it: wall time says more about the neighbours than about the
hub.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from pathlib import Path

MICRO = 1e6
MILLI = 1e3
CPUCLOCK_SCHED = 2


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process, all its threads and the kernel's work for it included, to the nanosecond.

    The clock's number is what `clock_getcpuclockid()` gives. `/proc/PID/stat` counts the same in steps of 10
    ms.
    """
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in RAM (RSS)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def allow_open_files() -> int:
    """Raise the limit of open files as far as it goes, for this process and those that it starts; the
    limit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def settle(seconds: float = 1.0) -> None:
    """Let work that was set off end, so that it is counted, or not, as a whole."""
    gc.collect()
    time.sleep(seconds)
