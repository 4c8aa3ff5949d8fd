"""How log lines look, and the id of the request that they belong to.

There is one line for each event, for people or as JSON, and without secrets.

Named by Django's ``LOGGING``, so it is imported before the apps are there.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import structlog
from structlog.contextvars import bind_contextvars, reset_contextvars
from structlog.typing import EventDict, Processor

from notifications.streaming.asgi import Headers, Receive, Scope, Send

HIDDEN: Final = "…"
SELDOM_SECONDS: Final = 60.0
MAX_TEXTS: Final = 100  # that are remembered; a library has a few
# Whoever writes a credential into a line, in a URL, a header or a field, it does not come out. Cookies by any
# name.
_SECRET: Final = re.compile(
    r"""((?:ticket|token|api_key|password|secret|sessionid|csrftoken)["']?\s?[=:]\s?["']?|\b(?:Bearer|Basic)\s+)[^\s"'&;,)}\]]+""",
    re.IGNORECASE,
)
# What a proxy or a client may call its request; anything else could forge a log line.
_SAFE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


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


class RequestIds:
    """Middleware that names each request in every line that is logged on its behalf, and in its answer.

    It stands around everything that logs, so views and streams have the id.

    A sane ``X-Request-ID`` is kept, so that the lines of several services can be put together; any other is
    replaced. The answer carries it back.

    Args:
        application: everything else.
    """

    def __init__(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a scope on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        given = Headers(scope).get("x-request-id") or ""
        request_id = given if _SAFE.fullmatch(given) else uuid.uuid4().hex

        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"x-request-id", request_id.encode())]
                message = {**message, "headers": headers}
            await send(message)

        # By hand: what a `with` keeps would be kept for as long as a stream is open.
        tokens = bind_contextvars(request_id=request_id)
        try:
            await self._application(scope, receive, named)
        finally:
            reset_contextvars(**tokens)


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
