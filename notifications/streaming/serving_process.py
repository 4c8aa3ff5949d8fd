"""Whether this process serves, as whoever starts what serving needs has said. A child of fork() does not,
until it says so itself.
"""

from __future__ import annotations

import os

_serving_pid: int | None = None


def begin() -> None:
    """Say that this process serves from now on."""
    global _serving_pid
    _serving_pid = os.getpid()


def end() -> None:
    """Say that it does not any more."""
    global _serving_pid
    _serving_pid = None


def is_serving() -> bool:
    """Whether this very process serves."""
    return _serving_pid == os.getpid()
