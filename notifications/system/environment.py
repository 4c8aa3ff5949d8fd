"""Reads environment variables; a wrong value is refused with the variable's name, in one sentence.

An empty variable counts as one that is not set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from django.core.exceptions import ImproperlyConfigured

WORKERS_VARIABLE: Final = "WEB_CONCURRENCY"
_ROOT_PATH: Final = re.compile(r"/?|(/[A-Za-z0-9._~-]+)+/?", re.ASCII)
MAX_WORKERS: Final = 256
MAX_DIGITS: Final = 20  # a longer number is out of all bounds, and slow to parse
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DATABASE_SCHEMES: Final = ("postgres", "postgresql", "sqlite")
REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_SWITCHES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

Environ = Mapping[str, str]


def read_text(environ: Environ, name: str, *, default: str = "") -> str:
    """Read a text, without the spaces around it."""
    return environ.get(name, "").strip() or default


def read_number(environ: Environ, name: str, *, default: int, minimum: float, maximum: float) -> int:
    """Read a whole number within bounds (inclusive).

    Raises:
        ImproperlyConfigured: it is something else.
    """
    text = read_text(environ, name)
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS and minimum <= int(text) <= maximum:
        return int(text)
    raise ImproperlyConfigured(
        f"{name} must be a whole number from {minimum:.0f} to {maximum:.0f}, not {text!r}."
    )


def read_decimal(environ: Environ, name: str, *, default: float, minimum: float, maximum: float) -> float:
    """Read a number within bounds (inclusive), with or without a fraction.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    text = read_text(environ, name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if minimum <= value <= maximum:  # False for NaN
        return value
    raise ImproperlyConfigured(f"{name} must be a number from {minimum:g} to {maximum:g}, not {text!r}.")


def read_switch(environ: Environ, name: str) -> bool:
    """Read a switch; it is off when it is not set.

    Raises:
        ImproperlyConfigured: it is neither.
    """
    text = read_text(environ, name, default="0")
    if text.lower() not in _SWITCHES:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {text!r}.")
    return _SWITCHES[text.lower()]


def read_list(environ: Environ, name: str) -> list[str]:
    """Read a list of texts that are separated by commas."""
    return [part.strip() for part in environ.get(name, "").split(",") if part.strip()]


def read_level(environ: Environ, name: str) -> str:
    """Read the name of one of Python's log levels; INFO when it is not set.

    Raises:
        ImproperlyConfigured: there is no such level.
    """
    text = read_text(environ, name, default="INFO").upper()
    if text not in LOG_LEVELS:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(LOG_LEVELS)}, not {text!r}.")
    return text


def read_choice(environ: Environ, name: str, choices: tuple[str, ...], *, default: str) -> str:
    """Read one of several words.

    Raises:
        ImproperlyConfigured: it is none of them.
    """
    text = read_text(environ, name, default=default)
    if text not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
    return text


def read_root_path(environ: Environ, name: str) -> str:
    """Read the path below which the site is served, without a slash at its end; empty for the root.

    Raises:
        ImproperlyConfigured: it is no such path.
    """
    text = read_text(environ, name)
    if not _ROOT_PATH.fullmatch(text):
        raise ImproperlyConfigured(f"{name} must be a path like /hub, not {text!r}.")
    return text.rstrip("/")


def read_hosts(environ: Environ, name: str) -> list[str]:
    """Read host names as Django's ``ALLOWED_HOSTS`` takes them: no scheme, no port, no path.

    Raises:
        ImproperlyConfigured: one of them is something else.
    """
    hosts = read_list(environ, name)
    for host in hosts:
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host.replace(":", "/")
        if not bare or any(character in "/@?#" or character.isspace() for character in bare):
            raise ImproperlyConfigured(f"{name} must hold host names without scheme and port, not {host!r}.")
    return hosts


def is_origin(text: str, *, may_be_wild: bool = False) -> bool:
    """Return whether a browser could send this text as ``Origin``.

    Its host is in lower case, and it has no port that is the scheme's default.

    Args:
        may_be_wild: the host may begin with ``*.`` and stand for all below it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    name = host.removeprefix("*.") if may_be_wild else host
    if parts.scheme not in DEFAULT_PORTS or not name or "*" in name:
        return False
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return text == f"{parts.scheme}://{shown_host}{shown_port}"


def read_origins(environ: Environ, name: str) -> list[str]:
    """Read origins such as ``https://hub.example``; the host may begin with ``*.``.

    Raises:
        ImproperlyConfigured: one of them is something else.
    """
    origins = read_list(environ, name)
    for origin in origins:
        if not is_origin(origin, may_be_wild=True):
            raise ImproperlyConfigured(f"{name} must hold origins like https://hub.example, not {origin!r}.")
    return origins


def read_database_url(environ: Environ, name: str, *, default: str) -> str:
    """Read the address of a database that the hub runs on. Passwords are never part of a message.

    Raises:
        ImproperlyConfigured: it is another kind of database, lacks the database's name, or sets what another
            variable decides.
    """
    text = read_text(environ, name, default=default)
    parts = _split(name, text)
    if parts.scheme not in DATABASE_SCHEMES:
        raise ImproperlyConfigured(
            f"{name} must begin with postgres:// or sqlite:///, as docs/settings.md shows."
        )
    if not parts.path.strip("/") or ":memory:" in text:
        kind = (
            "a file, sqlite:////var/lib/hub/hub.sqlite3"
            if parts.scheme == "sqlite"
            else "a database, postgres://user@host/name"
        )
        raise ImproperlyConfigured(f"{name} must name {kind}.")
    # As text, "false" would switch the pool on.
    if "pool" in parse_qs(parts.query, keep_blank_values=True):
        raise ImproperlyConfigured(f"{name} must not set pool; DATABASE_POOL_SIZE sets its size.")
    return text


def sqlite_url(path: Path) -> str:
    """Return the address of a SQLite file, whatever characters the names of its folders have.

    Args:
        path: an absolute path.
    """
    return f"sqlite:///{quote(str(path))}"


def make_folder(name: str, folder: Path) -> None:
    """Create the folder that a variable names, if it does not exist.

    Raises:
        ImproperlyConfigured: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {folder} cannot be created: {error.strerror}.") from None


def read_redis_url(environ: Environ, name: str) -> str:
    """Read the address of a Redis server; empty when it is not set. Passwords are never part of a message.

    Raises:
        ImproperlyConfigured: it is no such address.
    """
    text = read_text(environ, name)
    if not text:
        return ""
    parts = _split(name, text)
    database = parts.path.strip("/")
    is_socket = parts.scheme == "unix" and bool(database)
    is_server = (
        parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (not database or database.isdigit())
    )
    if not (is_socket or is_server):
        raise ImproperlyConfigured(f"{name} must be like redis://host:6379/0 (or rediss://…, unix:///path).")
    return text


def worker_count() -> int:
    """Read how many worker processes serve.

    The variable is ``WEB_CONCURRENCY``, which ``serve --workers`` sets for itself and its workers.

    Raises:
        ImproperlyConfigured: it is no number from 1 to 256.
    """
    return read_number(os.environ, WORKERS_VARIABLE, default=1, minimum=1, maximum=MAX_WORKERS)


def read_port(environ: Environ, name: str) -> int:
    """Read the port to listen on; 0 takes a free port.

    Raises:
        ImproperlyConfigured: it is no port.
    """
    return read_number(environ, name, default=8000, minimum=0, maximum=65_535)


def _split(name: str, text: str) -> SplitResult:
    """Return the parts of an address. A wrong address is never repeated: it may hold half of a password."""
    # Everything after a # would be ignored silently: half of a path, or half of a password.
    if "#" in text:
        raise ImproperlyConfigured(f"{name} must not hold a #; inside a name or a password write %23.")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (reading it raises ValueError when it is not a port)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} has no host and port that can be read; inside a password, %-encode @ : / ? # and %."
        ) from None
    return parts
