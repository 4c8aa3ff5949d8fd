"""The stream's private database threads, and how a thread lets go of the database.

An open stream holds no thread and no database connection; each read takes one of these four for its moment.
Django's own thread-sensitive executor has one thread for a whole process, in which a slow view would stop
every stream.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from django.db import close_old_connections, connections

MAX_THREADS: Final = 4

_P = ParamSpec("_P")
_T = TypeVar("_T")

_executor = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="hub-stream")


async def in_database_thread(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function that reads the database in a private thread.

    A caller that is cancelled waits no longer; the function runs to its end. What it logs bears the caller's
    request id.
    """
    context = contextvars.copy_context()

    def call() -> _T:
        close_old_connections()
        try:
            return context.run(function, *args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_executor, call)


def release_connections() -> None:
    """Close the database connections of the thread that calls, persistent ones too, but for one that is
    inside a transaction.

    For a thread that ends, or that nobody knows to be used again: Django closes connections only in the
    thread where a request ends.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
