"""Variables of the environment: each is read by one function here, and a wrong value is refused by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured

WORKERS_VARIABLE: Final = "WEB_CONCURRENCY"
MAX_WORKERS: Final = 256


def read_number(environ: Mapping[str, str], name: str, *, default: int, minimum: int, maximum: int) -> int:
    """A whole number within bounds (inclusive); ``default`` when the variable is not set, or empty.

    Raises:
        ImproperlyConfigured: it is something else; the message names the variable.
    """
    text = environ.get(name, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and minimum <= int(text) <= maximum:
        return int(text)
    raise ImproperlyConfigured(f"{name} must be a whole number from {minimum} to {maximum}, not {text!r}.")


def worker_count() -> int:
    """How many worker processes serve: ``WEB_CONCURRENCY``, which ``serve --workers`` sets for itself and its workers.

    Raises:
        ImproperlyConfigured: it is no number from 1 to 256.
    """
    return read_number(os.environ, WORKERS_VARIABLE, default=1, minimum=1, maximum=MAX_WORKERS)
