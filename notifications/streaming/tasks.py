"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

ATTEMPTS: Final = 20
ATTEMPT_SECONDS: Final = 0.1


async def end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is not asked for.

    A cancellation that arrives while a Redis client connects is swallowed by it, so it is repeated, for two seconds at most.
    """
    pending = {task for task in tasks if not task.done()}
    for _ in range(ATTEMPTS):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ATTEMPT_SECONDS)
