"""A process that produces: `python -m tests.run_log.appender redis|sqlite WHERE NAME COUNT RUN…`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from notifications.run_log.answers import RunOutOfStep
from notifications.run_log.log import RunLog
from tests.run_log.places import append, redis_log, sqlite_log


def produce(log: RunLog, name: str, count: int, runs: list[str]) -> None:
    """Append so many words, each to one of the runs, wherever others have brought it."""
    numbers = dict.fromkeys(runs, 1)
    dice = random.Random(name)
    for word in range(count):
        run = dice.choice(runs)
        while True:
            try:
                numbers[run] = append(log, run, numbers[run], f"{name}.{word} ")
                break
            except RunOutOfStep as behind:
                numbers[run] = behind.number


if __name__ == "__main__":
    kind, where, name, count, *runs = sys.argv[1:]
    produce(redis_log(where) if kind == "redis" else sqlite_log(Path(where)), name, int(count), runs)
