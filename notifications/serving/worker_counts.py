"""Shares the counters of several workers through one file each, so that any worker can report the sum.

Counters never go back: what a worker reports is in its file first, and when it has ended the supervisor adds
its file to that of the ended workers. Readers take no lock. They read the workers' files first and the file
of the ended ones last, which names the workers that it includes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from notifications.system.outages import Outage

logger = logging.getLogger(__name__)

WRITE_SECONDS: Final = 1.0
# How many ended workers the file names: far more than can end during one read.
MAX_NAMED: Final = 256
ENDED: Final = "ended"

Counts = dict[str, Any]


class WorkerCounts:
    """The files with the counts of one ``serve``.

    Args:
        folder: where they are; the supervisor creates it, and removes it at its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextlib.contextmanager
    def temporary(cls) -> Iterator[Self]:
        """Create the folder for as long as the supervisor runs."""
        with tempfile.TemporaryDirectory(prefix="hub-worker-counts-", ignore_cleanup_errors=True) as folder:
            yield cls(Path(folder))

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        """Replace a file as a whole.

        Raises:
            OSError: it cannot be written.
        """
        passing = self.folder / f"{name}.new"
        passing.write_text(json.dumps(record))
        passing.replace(self.folder / f"{name}.json")

    def read(self) -> tuple[Counts, list[Mapping[str, Any]]]:
        """Return the sum of all workers' counts, ended ones included, and the records of those that run.

        The records are in the order of the workers' numbers.
        """
        records = {path.stem: _load(path) for path in self.folder.glob("*.json") if path.stem != ENDED}
        ended = _load(self.folder / f"{ENDED}.json")
        running = [
            record for name, record in records.items() if record and name not in ended.get("names", ())
        ]
        counts = dict(ended.get("counts", {}))
        for record in running:
            counts = add_counts(counts, record["counts"])
        return counts, sorted(running, key=lambda record: (record["number"], record["since"]))

    def retire(self, pid: int) -> None:
        """Keep the counts of a worker that has ended.

        Its open streams are counted as closed, with the reason ``killed``.
        """
        for path in self.folder.glob(f"{pid}-*"):
            record, ended = _load(path), _load(self.folder / f"{ENDED}.json")
            if path.suffix == ".json" and record:
                counts = add_counts(ended.get("counts", {}), _with_streams_closed(record["counts"]))
                names = [*ended.get("names", ()), path.stem][-MAX_NAMED:]
                self.write(ENDED, {"counts": counts, "names": names})
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the files of a supervisor that could not do so itself."""
        shutil.rmtree(self.folder, ignore_errors=True)


class CountsWriter(threading.Thread):
    """A thread that writes down what this worker has counted, every second and on request.

    Args:
        worker_counts: the files to write to.
        number: of the worker's place.
        numbers: returns what there is to write, ``counts`` and ``process``.
    """

    def __init__(
        self, worker_counts: WorkerCounts, number: int, numbers: Callable[[], Mapping[str, Any]]
    ) -> None:
        super().__init__(name="hub-worker-counts", daemon=True)
        self.worker_counts = worker_counts
        self._number = number
        self._numbers = numbers
        self._name = f"{os.getpid()}-{time.time_ns()}"
        self._since = time.time()
        self._outage = Outage(
            logger,
            began="The counters of this worker cannot be shared with the other workers",
            over="The counters of this worker are shared with the other workers again",
        )
        self._writing = threading.Lock()
        self._is_over = threading.Event()

    def run(self) -> None:
        """Write until ``stop`` is called."""
        while not self._is_over.wait(WRITE_SECONDS):
            self.write()

    def stop(self) -> None:
        """Write once more, and end."""
        self._is_over.set()
        self.write()

    def write(self) -> bool:
        """Write now; return False when that fails.

        A full disk costs the other workers these numbers, and no client its stream.
        """
        with self._writing:  # otherwise an older record could replace a newer one
            record = {"number": self._number, "since": self._since, **self._numbers()}
            try:
                self.worker_counts.write(self._name, record)
            except OSError as error:
                self._outage.failed(error)
                return False
            self._outage.recovered()
            return True


def add_counts(some: Any, others: Any) -> Any:
    """Add two trees of numbers branch by branch; workers of two versions may count different things."""
    if isinstance(some, Mapping):
        return {
            key: add_counts(some[key], others[key])
            if key in some and key in others
            else {**some, **others}[key]
            for key in {**some, **others}
        }
    if isinstance(some, list):
        return [add_counts(*pair) for pair in zip(some, others, strict=True)]
    return some + others


def _with_streams_closed(counts: Counts) -> Counts:
    open_count = sum(counts.get("opened", {}).values()) - sum(counts.get("closed", {}).values())
    return add_counts(counts, {"closed": {"killed": open_count}}) if open_count > 0 else counts


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
