"""What an examination found: one line each, and how bad it is."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "error"]


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        level: ``warning`` for what works but worse than it could, ``error`` for what does not.
        subject: what was looked at, in one or two words.
        text: what was found and, if it is not well, what to do.
    """

    level: Level
    subject: str
    text: str


def ok(subject: str, text: str) -> Finding:
    """Say that something works."""
    return Finding("ok", subject, text)


def warning(subject: str, text: str) -> Finding:
    """Say that something works, but not as well as it could."""
    return Finding("warning", subject, text)


def error(subject: str, text: str) -> Finding:
    """Say that something does not work."""
    return Finding("error", subject, text)
