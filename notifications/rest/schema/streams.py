"""The paths that no view serves: the streams, which are routed among the ASGI applications."""

from __future__ import annotations

from typing import Any, Final

from notifications.conf import MAX_HEARTBEAT_SECONDS, MIN_HEARTBEAT_SECONDS
from notifications.models import Scope
from notifications.rest.schema.components import (
    CURSOR,
    FILTERS,
    ID,
    RATE_LIMIT,
    ROUTE,
    TEXT,
    Schema,
    answer,
    parameter,
    query,
    refusals,
)  # fmt: skip

# The codes that a request for a stream may get; docs/errors.md has the whole list.
PROBLEMS: Final = (
    "bad_request", "invalid", "unknown_filter", "not_authenticated", "bad_credential", "forbidden",
    "cross_site", "not_acceptable", "uri_too_long", "stream_limit", "throttled", "headers_too_large",
    "unavailable",
)  # fmt: skip
_AFTER: Final = {"anyOf": [CURSOR, {"const": "earliest"}, TEXT]}
_PARAMETERS: Final[list[Schema]] = [
    parameter("Last-Event-ID", "header", TEXT, "The cursor to resume from; it always wins."),
    query(
        "after", _AFTER, "The cursor to resume from, or `earliest`. Also `last_event_id` and `lastEventId`."
    ),
    *FILTERS,
    query(
        "heartbeat",
        {"type": "number"},
        f"Seconds between heartbeats, clamped to {MIN_HEARTBEAT_SECONDS}–{MAX_HEARTBEAT_SECONDS}.",
    ),
    query("closeafter", {"enum": ["live"]}, "`live`: end after the backlog."),
    query("client", ID, "A name for this tab or device; a new stream of the same name replaces the old one."),
    query("on_limit", {"enum": ["retry"]}, "`retry`: 429 and 503 become a stream that closes at once."),
]
_OF_EVENTS: Final[list[Schema]] = [
    query("transient", {"enum": ["true", "false"]}, "`false`: no transient events."),
    query("names", {"enum": ["type"]}, "`type`: a created notification's `event:` is its own event type."),
]
_HEADERS: Final[Schema] = {
    "Cache-Control": {"schema": {"type": "string", "const": "no-store, no-transform"}},
    "X-Accel-Buffering": {"schema": {"type": "string", "const": "no"}},
    **RATE_LIMIT,
}


def _stream(
    name: str, summary: str, tag: str, parameters: list[Schema], *, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    events = answer(
        {
            "type": "string",
            "description": "Server-sent events; docs/protocol.md, section 6, has every frame.",
        },
        "It stays open. A cursor that cannot be resumed is no error here: `stream.reset` says so.",
        headers=_HEADERS,
        media="text/event-stream",
    )
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "description": f"A token needs the scope `{Scope.READ}`.",
            "tags": [tag],
            "parameters": _PARAMETERS + parameters,
            "responses": {"200": events} | refusals((*PROBLEMS, *also), headers=RATE_LIMIT),
            "security": [{"bearer": []}, {"session": []}, {"ticket": []}],
        }
    }


PATHS: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/notifications/stream": _stream("stream", "The live stream", "stream", _OF_EVENTS),
    "/api/v1/events": _stream("events", "The same stream by another name", "stream", _OF_EVENTS),
    "/notifications/stream": _stream(
        "signals", "A signal for each new notification", "range dialect", [ROUTE], also=("not_found",)
    ),
}
