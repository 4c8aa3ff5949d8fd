"""Child processes and temporary folders that cannot outlive the process that made them, not even when it is
killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.helpers.waiting import PATIENCE_SECONDS

MEMORY_BYTES = 2 * 2**30
GUARDIAN = Path(__file__).with_name("guardian.py")


class GuardedProcess:
    """A command running under a guardian (see `guardian.py`).

    What it prints goes to the file `log`. `user` (user and group id) is whom to run it as; only root can
    choose. `remove` is a folder that the guardian removes when this process is gone without having called
    `end()`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        remove: Path | None = None,
    ) -> None:
        self.log = log
        self._returncode: int | None = None
        self._pidfd: int | None = None
        lifeline_read, self._lifeline = os.pipe()
        report_read, report_write = os.pipe()
        options = [] if user is None else ["--user", *map(str, user)]
        options += [] if remove is None else ["--remove", str(remove)]
        try:
            with log.open("ab") as output:
                self._guardian = subprocess.Popen(
                    [
                        sys.executable,
                        "-S",
                        "-E",
                        str(GUARDIAN),
                        *options,
                        str(lifeline_read),
                        str(report_write),
                        "--",
                        *command,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    pass_fds=(lifeline_read, report_write),
                    start_new_session=True,
                )
        finally:
            os.close(lifeline_read)
            os.close(report_write)
        self._report = os.fdopen(report_read, "r", encoding="ascii")
        first = self._report.readline()
        if not first:
            self.end()
            raise RuntimeError(f"{command[0]} could not be started:\n{self.output()}")
        self.pid = int(first)
        # It names this very process, also when its number has been given to another one. A command may be
        # over already.
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = os.pidfd_open(self.pid)

    def is_running(self) -> bool:
        """Whether the command has not ended yet."""
        return self._guardian.poll() is None

    def wait(self, timeout: float) -> int:
        """Wait for the end and return the return code: negative is the number of the signal that killed it.

        Raises `subprocess.TimeoutExpired` when it still runs after `timeout` seconds.
        """
        self._guardian.wait(timeout)
        if self._returncode is None:
            self._returncode = int(self._report.readline() or -signal.SIGKILL)
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the command itself; nothing happens when it has ended."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Send SIGTERM, wait for the end, and return the return code. Raises `subprocess.TimeoutExpired`."""
        self.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> int:
        """Kill it, as a crash or the kernel's out-of-memory killer would, and return the return code."""
        self.send_signal(signal.SIGKILL)
        return self.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """End it whatever state it is in, with what it started, and let go of the pipes. May be called
        again.
        """
        if not self._report.closed:
            os.close(self._lifeline)
            self._guardian.wait(PATIENCE_SECONDS)
            self._report.close()
            if self._pidfd is not None:
                os.close(self._pidfd)

    def output(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()


def memory_folder() -> str | None:
    """Where temporary databases are quickest, the system's memory; None where there is too little of it for
    that.
    """
    memory = "/dev/shm"
    if (
        "TMPDIR" in os.environ
        or not os.access(memory, os.W_OK)
        or shutil.disk_usage(memory).free < MEMORY_BYTES
    ):
        return None
    return memory


class KeptFolder:
    """A folder that stays, where a `GuardedFolder` would go: what is in it is for the next run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Leave it there."""


class GuardedFolder:
    """A temporary folder that a guardian removes when this process is gone without having called `remove()`.

    Its path is short: a Unix socket's path has room for 107 bytes.
    """

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=memory_folder()))
        lifeline_read, self._lifeline = os.pipe()
        self._guardian = subprocess.Popen(
            [sys.executable, "-S", "-E", str(GUARDIAN), "--remove", str(self.path), str(lifeline_read), "2"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(lifeline_read,),
            start_new_session=True,
        )
        os.close(lifeline_read)

    def remove(self) -> None:
        """Remove the folder now. May be called again."""
        if self._guardian.poll() is None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lifeline)
            self._guardian.wait(PATIENCE_SECONDS)
