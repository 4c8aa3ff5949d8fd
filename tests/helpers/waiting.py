"""Waiting for something to become true, with a deadline. Tests never sleep for a guessed time.

What is waited for comes at once, as a rule: the deadline is there for what never comes, and is no claim about
how long it takes. A test that claims such a thing measures it, and compares the quickest of several tries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
INTERVAL_SECONDS = 0.01
PATIENCE_SECONDS = 30.0  # a machine that others use, too, may stand still for seconds
# For what is much work: the start of a server, a whole command, thousands of rows. Beside twenty others it
# takes minutes, and nothing is wrong.
LONG_SECONDS = 600.0


def wait_until(
    condition: Callable[[], T], *, timeout: float = PATIENCE_SECONDS, what: str = "the condition"
) -> T:
    """Call `condition` until it returns something true, and return that.

    Raises `TimeoutError`, which names `what` and the last value, after `timeout` seconds. The condition is
    always tried once more after the deadline, so a machine that was busy does not fail a test whose condition
    holds.
    """
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= deadline
        if value := condition():
            return value
        if late:
            raise TimeoutError(f"{what} did not come within {timeout} s; it was {value!r} at last")
        time.sleep(INTERVAL_SECONDS)


@overload
async def wait_until_async(
    condition: Callable[[], Awaitable[T]], *, timeout: float = ..., what: str = ...
) -> T: ...
@overload
async def wait_until_async(condition: Callable[[], T], *, timeout: float = ..., what: str = ...) -> T: ...
async def wait_until_async(
    condition: Callable[[], Any], *, timeout: float = PATIENCE_SECONDS, what: str = "the condition"
) -> Any:
    """`wait_until` for coroutines: the loop runs on meanwhile. `condition` may return an awaitable."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= deadline
        outcome = condition()
        value = await outcome if isinstance(outcome, Awaitable) else outcome
        if value:
            return value
        if late:
            raise TimeoutError(f"{what} did not come within {timeout} s; it was {value!r} at last")
        await asyncio.sleep(INTERVAL_SECONDS)
