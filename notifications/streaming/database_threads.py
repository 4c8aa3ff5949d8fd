"""The threads in which streams read the database, and how a thread closes its database connections.

An open stream holds neither a thread nor a database connection; each read runs in one of these four threads.
Django's own thread-sensitive executor has one thread for the whole process, where one slow view would stop
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
    """Call a function that uses the database in one of the stream's database threads.

    If the caller is cancelled, it waits no longer, but the function runs to its end. What the function logs
    carries the caller's request id.
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
    """Close the calling thread's database connections, even persistent ones, except inside a transaction.

    It is for a thread that ends, or that may never be used again: Django closes connections only in the
    thread where a request ends.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
