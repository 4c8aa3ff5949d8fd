"""Keeps query strings, which may hold a ticket, out of the access logs of all servers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, Final

# uvicorn's, however it was started, and that of Daphne's `runserver`.
LOGGERS: Final = ("uvicorn.access", "django.channels.server")


def hide_query_strings() -> None:
    """Filter the access logs. A second call does nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(without_query)
    # The command `daphne` writes its access log without `logging` and offers no hook. Its module is loaded
    # only where that command runs.
    daphne: Any = sys.modules.get("daphne.access")
    if daphne is not None and not hasattr(daphne.AccessLogGenerator, "with_query"):
        daphne.AccessLogGenerator.with_query = daphne.AccessLogGenerator.__call__
        daphne.AccessLogGenerator.__call__ = _write_without_query


def without_query(record: logging.LogRecord) -> bool:
    """Cut the query string off the path in a record's arguments; every record is kept."""
    match record.args:
        case (client, method, str() as path, *rest):
            record.args = (client, method, _path(path), *rest)
        case Mapping() as details if "path" in details:
            record.args = {**details, "path": _path(str(details["path"]))}
    return True


def _write_without_query(log: Any, protocol: str, action: str, details: dict[str, Any]) -> None:
    log.with_query(protocol, action, {**details, "path": _path(str(details.get("path", "")))})


def _path(target: str) -> str:
    return target.partition("?")[0]
