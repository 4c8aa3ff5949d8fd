"""Threads that work on the database at once: started together, each with a connection of its own, ended by a
deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from tests.helpers.waiting import LONG_SECONDS


def run_together(*tasks: Callable[[], Any], timeout: float = LONG_SECONDS) -> list[Any]:
    """Run each task in a thread of its own, all beginning at the same moment, and return what they returned.

    Raises what the first of them raised, in their order, or `TimeoutError` when one takes longer than
    `timeout` seconds.
    """
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout)
            return task()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(run, task) for task in tasks]
        return [future.result(timeout) for future in futures]


def beside(task: Callable[[], Any], *workers: Callable[[], Any]) -> tuple[list[Any], list[Any]]:
    """Run `workers` together and `task` again and again until they have ended, and once more.

    Returns what each run of the task returned, and what the workers returned.
    """
    done = threading.Event()

    def repeat() -> list[Any]:
        results = []
        while not done.is_set():
            results.append(task())
        return [*results, task()]

    def work() -> list[Any]:
        try:
            return run_together(*workers)
        finally:
            done.set()

    repeated, worked = run_together(repeat, work)
    return repeated, worked
