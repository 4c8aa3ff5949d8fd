"""How log lines look.

There is one for each event, with the request that it belongs to, for people or as JSON, and without secrets.

Named by Django's ``LOGGING``, so it is imported before the apps are there.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor

HIDDEN: Final = "…"
SELDOM_SECONDS: Final = 60.0
MAX_TEXTS: Final = 100  # that are remembered; a library has a few
# Whoever writes a credential into a line, in a URL, a header or a field, it does not come out. Cookies by any
# name.
_SECRET: Final = re.compile(
    r"""((?:ticket|token|api_key|password|secret|sessionid|csrftoken)["']?\s?[=:]\s?["']?|\b(?:Bearer|Basic)\s+)[^\s"'&;,)}\]]+""",
    re.IGNORECASE,
)


def formatter(style: str) -> logging.Formatter:
    """The formatter of every handler.

    Args:
        style: ``json`` for one JSON object on each line, ``line`` for people.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_process,
        structlog.processors.format_exc_info,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _as_json if style == "json" else _as_line,
        ],
    )


class WithoutTraceback(logging.Filter):
    """Lets every record through without its traceback, for messages that say everything."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take it out."""
        record.exc_info = record.exc_text = None
        return True


class Seldom(logging.Filter):
    """Lets one record of each text through in a minute, with the reason in place of the traceback.

    For libraries that say the same again and again while something is away, of which the hub says by itself
    that it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a text through when its minute is over, with the reason put into its message."""
        text, now = str(record.msg), time.monotonic()
        if now - self._said_at.get(text, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        if len(self._said_at) >= MAX_TEXTS:
            self._said_at.clear()
        self._said_at[text] = now
        if record.exc_info and (error := record.exc_info[1]) is not None:
            record.msg, record.args = f"{record.getMessage()}: {error!r}", ()
        record.exc_info = record.exc_text = None
        return True


def without_secrets(text: str) -> str:
    """A text with what looks like a credential hidden."""
    return _SECRET.sub(rf"\1{HIDDEN}", text)


def _add_process(logger: Any, method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    return event if record is None else {**event, "process": record.process}


def _as_json(logger: Any, method: str, event: EventDict) -> str:
    clean = {key: without_secrets(value) if isinstance(value, str) else value for key, value in event.items()}
    return orjson.dumps({"message": clean.pop("event", ""), **clean}, default=str).decode()


def _as_line(logger: Any, method: str, event: EventDict) -> str:
    fields = dict(event)
    exception = fields.pop("exception", "")
    head = [fields.pop(name, "") for name in ("timestamp", "process", "level", "logger", "event")]
    head[2] = str(head[2]).upper()
    parts = [*map(str, head), *(f"{name}={value}" for name, value in fields.items())]
    return without_secrets("\n".join(filter(None, (" ".join(parts), exception))))
