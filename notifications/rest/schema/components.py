"""What operations share: JSON shapes, parameters and headers, as OpenAPI 3.1 describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from notifications.change_kinds import CHANGE_NAMES, OBJECT_KINDS
from notifications.event_types import ICONS, LEVELS, MAX_NAME_LENGTH
from notifications.filters import MAX_VALUE_LENGTH, NAMES, PLURALS
from notifications.models import (
    MAX_ACTOR_LENGTH,
    MAX_BODY_LENGTH,
    MAX_COLLAPSE_KEY_LENGTH,
    MAX_TITLE_LENGTH,
    MAX_TOPIC_LENGTH,
    JobState,
    Reason,
)
from notifications.notification_states import STATE
from notifications.protocol.links import MAX_ACTIONS, MAX_LABEL_LENGTH, MAX_URL_LENGTH, METHODS
from notifications.protocol.problems import CONTENT_TYPE, PROBLEMS
from notifications.protocol.search_words import MAX_SEARCH_LENGTH
from notifications.rest.drafts import MAX_NAMES

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
INBOX: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
ID: Final[Schema] = {"type": "string", "format": "uuid"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
CURSOR: Final[Schema] = {"$ref": "#/components/schemas/Cursor"}
NOTIFICATION: Final[Schema] = {"$ref": "#/components/schemas/Notification"}
TYPE_PATTERN: Final = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}$"

TYPE: Final[Schema] = {"type": "string", "pattern": TYPE_PATTERN, "maxLength": MAX_NAME_LENGTH}


def obj(properties: Mapping[str, Schema], *, optional: Iterable[str] = (), closed: bool = False) -> Schema:
    """Return an object with these properties, all required but the ``optional`` ones.

    With ``closed``, other properties are refused.
    """
    optional_names = set(optional)
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required := [name for name in properties if name not in optional_names]:
        schema["required"] = required
    return schema | ({"additionalProperties": False} if closed else {})


def several(items: Schema, **bounds: int) -> Schema:
    """Return a list."""
    return {"type": "array", "items": items, **bounds}


def _action(*, optional: Iterable[str] = (), closed: bool = False) -> Schema:
    fields = {
        "label": TEXT | {"minLength": 1, "maxLength": MAX_LABEL_LENGTH},
        "url": TEXT | {"minLength": 1, "maxLength": MAX_URL_LENGTH},
        "method": {"enum": list(METHODS)},
    }
    return obj(fields, optional=optional, closed=closed) | {
        "description": "What a notification offers to do. A POST goes to a path on this site, with its CSRF "
        "token."
    }


def _change(name: str, **more: Schema) -> Schema:
    fields = {
        "change": {"const": name},
        "cursor": CURSOR,
        "position": INTEGER,
        "at": TIME,
        "unread_count": COUNT,
    }
    return obj(fields | more)


SCHEMAS: Final[dict[str, Schema]] = {
    "Cursor": {
        "type": "string",
        "pattern": "^[a-z2-7]{8}-(0|[1-9][0-9]{0,15})$",
        "description": "`<epoch>-<position>`: everything up to there has been seen. Echo it unchanged.",
    },
    "Notification": obj(
        {
            "id": ID | {"description": "A UUIDv7."},
            "position": {"type": "integer", "minimum": 1},
            "type": {"type": "string", "examples": ["orders.order.shipped"]},
            "category": TEXT,
            "topic": TEXT | {"maxLength": MAX_TOPIC_LENGTH},
            "level": {"enum": list(LEVELS)},
            "title": TEXT | {"maxLength": MAX_TITLE_LENGTH},
            "body": TEXT | {"maxLength": MAX_BODY_LENGTH},
            "url": TEXT | {"maxLength": MAX_URL_LENGTH},
            "actor": TEXT | {"maxLength": MAX_ACTOR_LENGTH},
            "actions": several({"$ref": "#/components/schemas/Action"}, maxItems=MAX_ACTIONS),
            "data": {"type": "object"},
            "created_at": TIME,
            **dict.fromkeys(STATE, MAYBE_TIME),
            "expires_at": MAYBE_TIME,
            "replay_of": {"type": ["string", "null"], "format": "uuid"},
        }
    ),
    "Action": _action(),
    "Change": {
        "oneOf": [
            *(
                _change(CHANGE_NAMES[kind], notification=NOTIFICATION)
                for kind in OBJECT_KINDS
            ),
            _change(
                CHANGE_NAMES["deleted"], notification=obj({"id": ID}), reason={"enum": list(Reason.values)}
            ),
            _change(CHANGE_NAMES["read_all"], up_to=INTEGER, category={"type": ["string", "null"]}),
        ]
    },
    "Note": obj({
        "i": ID, "dt": TIME, "r": BOOLEAN, "a": obj({"r": TEXT, "d": {"type": "object"}, "title": TEXT})
    }),
    "Outcome": obj({"changed": COUNT, "not_found": several(ID), "cursor": CURSOR, "unread_count": COUNT}),
    "Audience": obj(
        {
            "users": several(TEXT, maxItems=MAX_NAMES),
            "groups": several(TEXT, maxItems=MAX_NAMES),
            "everyone": BOOLEAN,
        },
        optional=("users", "groups", "everyone"),
        closed=True,
    ),
    "Transient": obj(
        {
            "to": {"$ref": "#/components/schemas/Audience"},
            "type": TYPE,
            "topic": TEXT | {"maxLength": MAX_TOPIC_LENGTH},
            "data": {"type": "object"},
        },
        optional=("topic", "data"),
        closed=True,
    ),
    "Draft": obj(
        {
            "to": {"$ref": "#/components/schemas/Audience"},
            "type": TYPE,
            "title": TEXT | {"minLength": 1, "maxLength": MAX_TITLE_LENGTH},
            "body": TEXT | {"maxLength": MAX_BODY_LENGTH},
            "url": TEXT | {"maxLength": MAX_URL_LENGTH},
            "topic": TEXT | {"maxLength": MAX_TOPIC_LENGTH},
            "level": {"enum": list(LEVELS)},
            "data": {"type": "object"},
            "actor": TEXT | {"maxLength": MAX_ACTOR_LENGTH},
            "actions": several(_action(optional=("method",), closed=True), maxItems=MAX_ACTIONS),
            "collapse_key": TEXT | {"maxLength": MAX_COLLAPSE_KEY_LENGTH},
            "deliver_at": MAYBE_TIME,
            "expires_at": MAYBE_TIME,
        },
        optional=(
            "body", "url", "topic", "level", "data", "actor", "actions", "collapse_key", "deliver_at",
            "expires_at",
        ),
        closed=True,
    ),
    "EventType": obj({
        "name": TYPE,
        "category": TEXT,
        "category_label": TEXT,
        "level": {"enum": list(LEVELS)},
        "label": TEXT,
        "icon": {"enum": sorted(ICONS)},
        "durable": BOOLEAN,
        "transient": BOOLEAN,
        "schema": {"type": "object", "description": "The JSON Schema, 2020-12, of the data."},
    }),
    "Sent": obj({"count": COUNT, "ids": several(ID)}),
    "Job": obj(
        {
            "id": ID,
            "state": {"enum": list(JobState.values)},
            "total": COUNT,
            "done": COUNT,
            "failed": COUNT,
            "rate": {"type": ["number", "null"]},
            "created_at": TIME,
            "started_at": MAYBE_TIME,
            "finished_at": MAYBE_TIME,
        }
    ),
    "Problem": obj(
        {
            "type": TEXT,
            "title": TEXT,
            "status": INTEGER,
            "code": {"enum": sorted(PROBLEMS)},
            "detail": TEXT,
            "errors": {"type": "object", "additionalProperties": TEXT},
            "cursor": CURSOR,
            "limit": COUNT,
            "remaining": COUNT,
            "reset_at": TIME,
        },
        optional=("errors", "cursor", "limit", "remaining", "reset_at"),
    )
    | {"description": "RFC 9457. `code` alone is for programs; docs/errors.md says what to do about each."},
}  # fmt: skip


def parameter(name: str, where: str, schema: Schema, description: str = "") -> Schema:
    """Return a parameter; those of the path are required."""
    given: Schema = {"name": name, "in": where, "schema": schema}
    return (
        given
        | ({"description": description} if description else {})
        | ({"required": True} if where == "path" else {})
    )


def query(name: str, schema: Schema, description: str = "") -> Schema:
    """Return a parameter of the query string."""
    return parameter(name, "query", schema, description)


def _filter(name: str, schema: Schema, description: str) -> Schema:
    also = f"Several by comma or repetition; `{PLURALS[name]}` means the same."
    return query(name, several(schema), f"{description} {also}") | {"explode": True}


_NAME: Final = "[a-z][a-z0-9_]*"
FILTERS: Final[list[Schema]] = [
    _filter(
        "category",
        {"type": "string", "pattern": f"^{_NAME}$", "maxLength": MAX_VALUE_LENGTH},
        "What the event types declared, else their first segments.",
    ),
    _filter(
        "type",
        {
            "type": "string",
            "pattern": rf"^{_NAME}((\.{_NAME}){{1,3}}|(\.{_NAME}){{0,2}}\.\*)$",
            "maxLength": MAX_VALUE_LENGTH,
        },
        "Event types; a trailing `.*` takes the prefix.",
    ),
    _filter("topic", {"type": "string", "minLength": 1, "maxLength": MAX_VALUE_LENGTH}, "Topics."),
    _filter("level", {"enum": list(LEVELS)}, "Levels."),
]  # fmt: skip
ROUTE: Final = query(
    "route",
    several({"type": "string", "pattern": r"^/[^,\x00-\x1f\x7f-\x9f]*$", "maxLength": MAX_VALUE_LENGTH}),
    "Event types as routes, such as `/orders/order/shipped`; never with `type`.",
)
PARSED_FILTERS: Final = obj({name: several(TEXT) for name in NAMES}, optional=NAMES, closed=True) | {
    "description": "The filters as they were understood; only those that were given."
}
SEARCH: Final = query(
    "q", TEXT | {"maxLength": MAX_SEARCH_LENGTH}, "Words in title and body, each of them, whole."
)
IF_NONE_MATCH: Final = parameter(
    "If-None-Match", "header", TEXT, "The ETag of the answer that the client has."
)
ETAG: Final[Schema] = {"ETag": {"schema": {"type": "string", "pattern": '^"[a-z2-7]{8}-[0-9]+"$'}}}
DIGEST: Final[Schema] = {"ETag": {"schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}}}
RETRY_AFTER: Final[Schema] = {
    "Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "In seconds."}
}
RATE_LIMIT: Final[Schema] = {
    "RateLimit-Policy": {
        "schema": {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=60$'},
        "description": "How many requests in how many seconds; where there is a limit.",
    },
    "RateLimit": {
        "schema": {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$'},
        "description": "How many may follow at once, and after how many seconds there are more.",
    },
}
CHALLENGE: Final[Schema] = {
    "WWW-Authenticate": {"schema": TEXT, "description": "What the token lacks, or that one is needed."}
}
# Headers that some refusals with this status have.
_REFUSAL_HEADERS: Final = {401: CHALLENGE, 403: CHALLENGE, 429: RETRY_AFTER, 503: RETRY_AFTER}
SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"session": []}]
SECURITY_SCHEMES: Final[dict[str, Schema]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-sessionid",
        "description": "The session of a login; unsafe methods need the header `X-CSRFToken` too. Without "
        "https the cookie is called `sessionid`.",
    },
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "Opens one stream, once."},
}


def answer(
    schema: Schema | None, description: str, *, headers: Schema | None = None, media: str = "application/json"
) -> Schema:
    """Return an answer, with a body of this shape or without one."""
    given: Schema = {"description": description}
    if headers:
        given["headers"] = headers
    return given | ({} if schema is None else {"content": {media: {"schema": schema}}})


def refusals(codes: Iterable[str], *, headers: Schema | None = None) -> dict[str, Schema]:
    """Return the answers for these codes of the closed list, by their status.

    Args:
        headers: those that each of them has.
    """
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {
        str(status): _refusal(status, sorted(found), headers or {})
        for status, found in sorted(by_status.items())
    }


def _refusal(status: int, codes: list[str], headers: Schema) -> Schema:
    only = {"properties": {"code": {"enum": codes}, "status": {"const": status}}}
    refusal = answer(
        {"allOf": [{"$ref": "#/components/schemas/Problem"}, only]},
        " or ".join(f"`{code}`" for code in codes),
        headers=headers | _REFUSAL_HEADERS.get(status, {}),
        media=CONTENT_TYPE,
    )
    refusal["content"][CONTENT_TYPE]["examples"] = {
        code: {"$ref": f"#/components/examples/{code}"} for code in codes
    }
    return refusal
