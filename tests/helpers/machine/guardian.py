"""Run one command for a test process, and end it when that process is gone, however it went.

    guardian.py LIFELINE REPORT [--user UID GID] [--remove FOLDER] [-- COMMAND…]

`LIFELINE` is the number of the reading end of a pipe whose other end only the test process holds: it reads as
ended as soon as that process is gone, killed or not. `REPORT` is the number of the writing end of another
pipe, which gets two lines: the command's process id, later its return code as `subprocess` counts it. At the
end of the lifeline the command is killed and `FOLDER` removed. Without a command it only minds the folder.

Run as a script by `tests.helpers.machine.guarded`, so it imports nothing but the standard library. (A
parent-death signal alone would not do: it is bound to the thread that started the process, and removes no
folder.)
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_the_guardian() -> None:
    """Have the kernel kill the calling process when the guardian, which has one thread only, is killed
    itself.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command: list[str], user: list[int] | None) -> subprocess.Popen[bytes]:
    """Start `command` in its own session, as `user` (user and group id) where one is given."""
    uid, gid = user or (None, None)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=None if gid is None else [],
        # It runs after the change of user, which would undo it.
        preexec_fn=die_with_the_guardian,  # noqa: PLW1509 (one thread)
    )


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill `child` and whatever it started in its own session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def remove(folder: str) -> None:
    """Remove `folder`; grandchildren that have not noticed yet may still be writing to it for a moment."""
    deadline = time.monotonic() + 5
    while Path(folder).exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


def main() -> int:
    """Mind the command until it, or the test process, ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lifeline", type=int)
    parser.add_argument("report", type=int)
    parser.add_argument("--user", nargs=2, type=int)
    parser.add_argument("--remove")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()

    poller = select.poll()
    poller.register(options.lifeline, select.POLLIN)
    child = None
    if options.command:
        child = start(options.command, options.user)
        os.write(options.report, f"{child.pid}\n".encode())
        poller.register(os.pidfd_open(child.pid), select.POLLIN)

    ended = {descriptor for descriptor, _ in poller.poll()}
    if options.lifeline not in ended and child is not None:
        os.write(options.report, f"{child.wait()}\n".encode())
        return 0
    if child is not None:
        kill_group(child)
    if options.remove:
        remove(options.remove)
    return 0


if __name__ == "__main__":
    sys.exit(main())
