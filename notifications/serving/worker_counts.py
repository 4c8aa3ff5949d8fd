"""What the workers of one ``serve`` have counted, each in a file of its own, so that any of them can tell it
for all.

Counters never go back: what a worker shows stands in its file first, and when it has ended the supervisor
adds its file to that of the ended ones. Readers take no lock. They read the workers' files first and those of
the ended last, which names whom it holds.
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
# Ended workers that the file names: far more than can end while somebody reads.
MAX_NAMED: Final = 256
ENDED: Final = "ended"

Counts = dict[str, Any]


class Tally:
    """The files of one ``serve``.

    Args:
        folder: where they are; the supervisor makes it, and removes it at its end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextlib.contextmanager
    def made(cls) -> Iterator[Self]:
        """A new one, for as long as the supervisor runs."""
        with tempfile.TemporaryDirectory(prefix="hub-tally-", ignore_cleanup_errors=True) as folder:
            yield cls(Path(folder))

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        """Replace a file as a whole. Raises ``OSError``."""
        passing = self.folder / f"{name}.new"
        passing.write_text(json.dumps(record))
        passing.replace(self.folder / f"{name}.json")

    def read(self) -> tuple[Counts, list[Mapping[str, Any]]]:
        """What all workers have counted, ended ones included, and the records of those that run, by their
        number.
        """
        records = {path.stem: _load(path) for path in self.folder.glob("*.json") if path.stem != ENDED}
        ended = _load(self.folder / f"{ENDED}.json")
        running = [
            record for name, record in records.items() if record and name not in ended.get("names", ())
        ]
        counts = dict(ended.get("counts", {}))
        for record in running:
            counts = added(counts, record["counts"])
        return counts, sorted(running, key=lambda record: (record["number"], record["since"]))

    def retire(self, pid: int) -> None:
        """Keep what an ended worker has counted. Its streams are over, too: they count as closed, by
        ``killed``.
        """
        for path in self.folder.glob(f"{pid}-*"):
            record, ended = _load(path), _load(self.folder / f"{ENDED}.json")
            if path.suffix == ".json" and record:
                counts = added(ended.get("counts", {}), _all_closed(record["counts"]))
                names = [*ended.get("names", ()), path.stem][-MAX_NAMED:]
                self.write(ENDED, {"counts": counts, "names": names})
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the files of a supervisor that could not do so itself."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Scribe(threading.Thread):
    """Writes down, every second, what this worker has counted, and whenever somebody asks.

    Args:
        tally: where.
        number: of the worker's place.
        numbers: gives what there is to write, ``counts`` and ``process``.
    """

    def __init__(self, tally: Tally, number: int, numbers: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(name="hub-tally", daemon=True)
        self.tally = tally
        self._number = number
        self._numbers = numbers
        self._name = f"{os.getpid()}-{time.time_ns()}"
        self._since = time.time()
        self._outage = Outage(
            logger,
            began="What this worker counts cannot be shared with the others",
            over="What this worker counts is shared with the others again",
        )
        self._writing = threading.Lock()
        self._is_over = threading.Event()

    def run(self) -> None:
        """Go on until ``stop``."""
        while not self._is_over.wait(WRITE_SECONDS):
            self.write()

    def stop(self) -> None:
        """End, with everything written."""
        self._is_over.set()
        self.write()

    def write(self) -> bool:
        """Write now. False when that cannot be done: a full disk costs the other workers these numbers, and
        nobody a stream.
        """
        with self._writing:  # or an older record could replace a newer one
            record = {"number": self._number, "since": self._since, **self._numbers()}
            try:
                self.tally.write(self._name, record)
            except OSError as error:
                self._outage.failed(error)
                return False
            self._outage.recovered()
            return True


def added(some: Any, others: Any) -> Any:
    """Two trees of numbers added up, branch by branch; workers of two versions may count different things."""
    if isinstance(some, Mapping):
        return {
            key: added(some[key], others[key]) if key in some and key in others else {**some, **others}[key]
            for key in {**some, **others}
        }
    if isinstance(some, list):
        return [added(*pair) for pair in zip(some, others, strict=True)]
    return some + others


def _all_closed(counts: Counts) -> Counts:
    open_count = sum(counts.get("opened", {}).values()) - sum(counts.get("closed", {}).values())
    return added(counts, {"closed": {"killed": open_count}}) if open_count > 0 else counts


def _load(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}
