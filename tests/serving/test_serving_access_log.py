"""No access log keeps a query string. What the real servers log is held by
``streaming/door/test_door_tickets.py``.
"""

from __future__ import annotations

import logging
from io import StringIO
from typing import Any

import pytest
from daphne.access import AccessLogGenerator

from notifications.serving.access_log import hide_query_strings, without_query

pytestmark = pytest.mark.shape("embedded")


def line(message: str, *args: Any) -> str:
    record = logging.LogRecord("x", logging.INFO, "x", 1, message, args, None)
    assert without_query(record)
    return record.getMessage()


def test_uvicorn__the_path_stays_and_the_query_goes() -> None:
    message = '%s - "%s %s HTTP/%s" %d'
    assert line(message, "127.0.0.1:1", "GET", "/a?ticket=x?y", "1.1", 200) == (
        '127.0.0.1:1 - "GET /a HTTP/1.1" 200'
    )


def test_runserver__the_path_stays_and_the_query_goes() -> None:
    details = {"method": "GET", "path": "/a?ticket=x", "status": 200}
    assert line("HTTP %(method)s %(path)s %(status)s", details) == "HTTP GET /a 200"
    assert details["path"] == "/a?ticket=x"


@pytest.mark.parametrize("args", [(), ("x",), (1, 2, 3)])
def test_any_other_line__stays_as_it_is(args: tuple[Any, ...]) -> None:
    message = "100 %" if not args else " ".join(["%s"] * len(args))
    assert line(message, *args) == (message % args if args else message)


def test_daphne__the_path_stays_and_the_query_goes__filtered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccessLogGenerator, "__call__", AccessLogGenerator.__call__)
    hide_query_strings()
    hide_query_strings()
    stream = StringIO()
    details = {"client": "127.0.0.1:1", "method": "GET", "path": "/a?ticket=x", "status": 200, "size": 3}
    AccessLogGenerator(stream)("http", "complete", details)
    assert '"GET /a" 200 3' in stream.getvalue()
    assert details["path"] == "/a?ticket=x"
