"""Records that this process serves requests, as its entry point has said.

A child of fork() does not count as serving until it says so itself.
"""

from __future__ import annotations

import os

_serving_pid: int | None = None


def begin() -> None:
    """Note that this process serves from now on."""
    global _serving_pid
    _serving_pid = os.getpid()


def end() -> None:
    """Note that it does not serve any more."""
    global _serving_pid
    _serving_pid = None


def is_serving() -> bool:
    """Return whether this very process serves."""
    return _serving_pid == os.getpid()
