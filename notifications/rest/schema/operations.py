"""The table of operations, one for each view and method: what it takes, and every answer that it can give."""

from __future__ import annotations

from typing import Any, Final

from notifications.models import MAX_KEY_LENGTH, MAX_TOPIC_LENGTH, OpenedBy, Scope
from notifications.notification_states import CONTRADICTORY_FLAGS, STATE_FLAGS
from notifications.rest import drafts, event_types, inbox, inputs, keria, publish, streams
from notifications.rest.schema import examples
from notifications.rest.schema.components import (
    BOOLEAN,
    COUNT,
    CURSOR,
    DIGEST,
    ETAG,
    FILTERS,
    ID,
    IF_NONE_MATCH,
    INBOX,
    INTEGER,
    NOTIFICATION,
    PARSED_FILTERS,
    ROUTE,
    SEARCH,
    TEXT,
    TIME,
    TYPE,
    Schema,
    answer,
    obj,
    parameter,
    query,
    several,
)  # fmt: skip
from notifications.rest.schema.operation import ANY_SCOPE, Operation
from notifications.rest.schema.views import FORMATS, SchemaView

# Any request may get these: for a Host that is not served, a NUL in its query, a body that is too large, or a
# database that cannot be reached.
ALWAYS: Final = ("bad_request", "invalid", "too_large", "unavailable")
# Requests that need a credential may get these.
CREDENTIAL: Final = (*ALWAYS, "not_authenticated", "bad_credential", "forbidden", "throttled")
FILTERED: Final = (*CREDENTIAL, "unknown_filter")
# Requests that change something, without and with a body.
UNSAFE: Final = (*CREDENTIAL, "csrf_failed")
BODY: Final = (*UNSAFE, "unsupported_media_type")
# Requests that send something, once for each idempotency key.
SENDING: Final = (*BODY, "idempotency_in_progress", "idempotency_key_reused")

_CURSOR_CODES: Final = ("cursor_expired", "cursor_epoch", "cursor_ahead")
_OUTCOME: Final = answer(
    {"$ref": "#/components/schemas/Outcome"}, "What the action did, and the inbox after it."
)
_NOT_MODIFIED: Final = answer(None, "The client has the answer already.", headers=ETAG)
_SAME: Final = answer(None, "The client has the answer already.", headers=DIGEST)
_JOB: Final = answer({"$ref": "#/components/schemas/Job"}, "Its progress.")
_INTERVAL: Final[Schema] = {
    "X-Poll-Interval": {
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "description": "After how many seconds to poll again.",
    }
}
_RANGE_HEADERS: Final[Schema] = {
    "Accept-Ranges": {"schema": {"type": "string", "const": "notes"}},
    "Content-Range": {"schema": {"type": "string", "pattern": "^notes [0-9]+-[0-9]+/[0-9]+$"}},
}

_ID_IN_PATH: Final = parameter("public_id", "path", ID)
_IDS: Final = several(ID, maxItems=inputs.MAX_ACTION_IDS)
_BEFORE: Final = query(
    "before", {"type": "integer", "minimum": 0, "maximum": inputs.MAX_POSITION}, "Only positions below."
)


def _limit(default: int, maximum: int) -> Schema:
    return query("limit", {"type": "integer", "minimum": 1, "maximum": maximum, "default": default})


_CATEGORY: Final[Schema] = {"type": ["string", "null"], "pattern": "^[a-z][a-z0-9_]*$"}
_ACTION: Final[Schema] = {
    "oneOf": [
        obj({"action": {"enum": list(inputs.ACTION_NAMES)}, "ids": _IDS}, closed=True),
        obj(
            {"action": {"const": "read"}, "up_to": CURSOR, "category": _CATEGORY},
            optional=("category",),
            closed=True,
        ),
    ]
}

READING: Final[dict[tuple[Any, str], Operation]] = {
    (inbox.ListView, "get"): Operation(
        "The list, newest first",
        {
            "200": answer(
                obj({
                    "results": several(NOTIFICATION),
                    "next": {"type": ["string", "null"], "format": "uri"},
                    "cursor": CURSOR,
                    "unread_count": COUNT,
                    "inbox": INBOX,
                    "filters": PARSED_FILTERS,
                }),
                "Part of the list. Cursor and count are the whole inbox's, of the same snapshot.",
                headers=ETAG,
            ),
            "304": _NOT_MODIFIED,
        },
        FILTERED,
        (
            *FILTERS, SEARCH, query("unread", {"enum": ["true", "false"]}),
            query("archived", {"enum": ["true", "false"]}, "Only what is archived; otherwise omitted."),
            _limit(inputs.DEFAULT_LIST_LIMIT, inputs.MAX_LIST_LIMIT), _BEFORE, IF_NONE_MATCH,
        ),
    ),
    (inbox.NotificationView, "get"): Operation(
        "One notification",
        {"200": answer(NOTIFICATION, "The notification.")},
        (*CREDENTIAL, "not_found"),
        (_ID_IN_PATH,),
    ),
    (inbox.NotificationView, "patch"): Operation(
        "Change the state of a notification",
        {"200": answer(NOTIFICATION, "The notification as it is now.")},
        (*BODY, "not_found"),
        (_ID_IN_PATH,),
        obj(dict.fromkeys(STATE_FLAGS, BOOLEAN), optional=STATE_FLAGS, closed=True)
        | {"minProperties": 1, "not": obj({name: {"const": so} for name, so in CONTRADICTORY_FLAGS.items()})},
        Scope.INBOX,
        examples=examples.READ,
    ),
    (inbox.NotificationView, "delete"): Operation(
        "Delete a notification for good",
        {"204": answer(None, "It was deleted.")},
        (*UNSAFE, "not_found"),
        (_ID_IN_PATH,),
        scope=Scope.INBOX,
    ),
    (inbox.ActionsView, "post"): Operation(
        "Apply an action to many notifications, or mark all read up to a cursor",
        {"200": _OUTCOME},
        (*BODY, "cursor_malformed", "cursor_epoch", "cursor_ahead"),
        body=_ACTION,
        scope=Scope.INBOX,
        examples=examples.ACTIONS,
    ),
    (inbox.ChangesView, "get"): Operation(
        "The polling delta",
        {
            "200": answer(
                obj({
                    "changes": several({"$ref": "#/components/schemas/Change"}),
                    "cursor": CURSOR,
                    "has_more": BOOLEAN,
                    "unread_count": COUNT,
                    "inbox": INBOX,
                }),
                "What happened after the cursor, oldest first.",
                headers=_INTERVAL,
            )
        },
        (*FILTERED, "cursor_malformed", *_CURSOR_CODES),
        (
            query("after", CURSOR, "Without it: no changes, but the head cursor."), *FILTERS,
            _limit(inputs.DEFAULT_CHANGES_LIMIT, inputs.MAX_CHANGES_LIMIT),
            query("wait", {"type": "number"}, "Seconds to wait for a change, clamped to 0–25."),
        ),
        refusal_headers=_INTERVAL,
    ),
    (inbox.CountsView, "get"): Operation(
        "How much is unread",
        {
            "200": answer(
                obj({
                    "unread": COUNT,
                    "by_category": {"type": "object", "additionalProperties": INTEGER},
                    "cursor": CURSOR,
                    "inbox": INBOX,
                }),
                "In all, and by category; categories with nothing unread are left out.",
                headers=ETAG,
            ),
            "304": _NOT_MODIFIED,
        },
        CREDENTIAL,
        (IF_NONE_MATCH,),
    ),
    (streams.TicketView, "post"): Operation(
        "A ticket for one stream; for producers, also for that of a named user",
        {"201": answer(obj({"ticket": TEXT, "expires_in": INTEGER}), "It is shown once.")},
        BODY,
        body=obj({"user": TEXT}, optional=("user",), closed=True),
        needs_body=False,
        examples=examples.TICKET,
    ),
}  # fmt: skip

ABOUT: Final[dict[tuple[Any, str], Operation]] = {
    (SchemaView, "get"): Operation(
        "This description",
        {
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {
                    FORMATS["json"]: {"schema": {"type": "object"}},
                    FORMATS["yaml"]: {"schema": TEXT},
                },
            }
        },
        ALWAYS,
        (query("format", {"enum": list(FORMATS)}),),
        scope="",
    )
}

_JOB_ID: Final = parameter("broadcast_id", "path", ID)
_KEY: Final = parameter(
    "Idempotency-Key",
    "header",
    TEXT | {"pattern": r"^[\x20-\x7e]+$", "maxLength": MAX_KEY_LENGTH},
    "Sent again with the same body, the request is answered as the first time.",
)
_REPLAYED: Final[Schema] = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "const": "true"},
        "description": "It is an earlier answer.",
    }
}
_LOCATION: Final[Schema] = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
_DRAFT: Final[Schema] = {"$ref": "#/components/schemas/Draft"}
_DRAFTS: Final = several(_DRAFT, minItems=1, maxItems=drafts.MAX_BATCH_ITEMS)
_SENT: Final[Schema] = {"$ref": "#/components/schemas/Sent"}
PUBLISHING: Final[dict[tuple[Any, str], Operation]] = {
    (publish.PublishView, "post"): Operation(
        "Send one event to users, groups or everyone",
        {
            "201": answer(_SENT, "It was sent.", headers=_REPLAYED),
            "202": answer(
                {"$ref": "#/components/schemas/Job"},
                "It is sent to more than 1,000 recipients, outside the request.",
                headers=_LOCATION | _REPLAYED,
            ),
        },
        (*SENDING, "unknown_type"),
        (_KEY,),
        _DRAFT,
        Scope.PUBLISH,
        examples=examples.DRAFTS,
    ),
    (publish.BatchView, "post"): Operation(
        "Send several events, all or none",
        {"201": answer(obj({"results": several(_SENT)}), "All were sent.", headers=_REPLAYED)},
        (*SENDING, "unknown_type"),
        (_KEY,),
        {"oneOf": [_DRAFTS, obj({"items": _DRAFTS}, closed=True)]},
        Scope.PUBLISH,
        examples=examples.BATCH,
    ),
    (publish.WithdrawView, "post"): Operation(
        "Withdraw what the producer has sent",
        {
            "200": answer(
                obj({"changed": COUNT}), "How many notifications are being deleted.", headers=_REPLAYED
            )
        },
        SENDING,
        (_KEY,),
        {
            "oneOf": [
                obj({"ids": _IDS | {"minItems": 1}}, closed=True),
                obj(
                    {"topic": TEXT | {"minLength": 1, "maxLength": MAX_TOPIC_LENGTH}, "type": TYPE},
                    closed=True,
                ),
            ]
        },
        Scope.PUBLISH,
        examples=examples.WITHDRAWAL,
    ),
    (publish.EventsView, "post"): Operation(
        "Show a transient event on the open streams of users",
        {
            "202": answer(
                obj({"count": COUNT, "id": ID}),
                "Redis has accepted it. `count` is the number of recipients, with or without an open stream; "
                "`id` is the one in their frames.",
                headers=_REPLAYED,
            )
        },
        (*SENDING, "unknown_type"),
        (_KEY,),
        body={"$ref": "#/components/schemas/Transient"},
        scope=Scope.PUBLISH,
    ),
    (publish.JobView, "get"): Operation(
        "The progress of a large send",
        {"200": _JOB},
        (*CREDENTIAL, "not_found"),
        (_JOB_ID,),
        scope=Scope.PUBLISH,
    ),
    (publish.JobView, "delete"): Operation(
        "Cancel a large send", {"200": _JOB}, (*UNSAFE, "not_found"), (_JOB_ID,), scope=Scope.PUBLISH
    ),
}

_EVENT_TYPE: Final[Schema] = {"$ref": "#/components/schemas/EventType"}
TYPES: Final[dict[tuple[Any, str], Operation]] = {
    (event_types.EventTypesView, "get"): Operation(
        "The event types that are declared",
        {
            "200": answer(several(_EVENT_TYPE), "All of them, ordered by name.", headers=DIGEST),
            "304": _SAME,
        },
        CREDENTIAL,
        (IF_NONE_MATCH,),
        scope=ANY_SCOPE,
    ),
    (event_types.EventTypeView, "get"): Operation(
        "One event type",
        {"200": answer(_EVENT_TYPE, "Its declaration.", headers=DIGEST), "304": _SAME},
        (*CREDENTIAL, "not_found"),
        (parameter("name", "path", TYPE), IF_NONE_MATCH),
        scope=ANY_SCOPE,
    ),
}

_STREAM: Final[Schema] = obj({
    "id": ID,
    "client": {"type": ["string", "null"], "format": "uuid"},
    "device": TEXT | {"examples": ["Firefox on Linux"]},
    "agent": TEXT,
    "address": {"type": ["string", "null"]},
    "opened_by": {"enum": list(OpenedBy.values)},
    "opened_at": TIME,
    "filters": TEXT,
    "resume": {"enum": ["exact", "compacted", "reset", "none"]},
    "cursor": CURSOR,
})  # fmt: skip
STREAMS: Final[dict[tuple[Any, str], Operation]] = {
    (streams.StreamsView, "get"): Operation(
        "The user's own open streams",
        {
            "200": answer(
                obj({"results": several(_STREAM)}), "Oldest first. The cursors are some seconds old."
            )
        },
        CREDENTIAL,
    ),
    (streams.StreamView, "delete"): Operation(
        "End one of the user's own streams",
        {"204": answer(None, "Its client is told `revoked`.")},
        (*UNSAFE, "not_found"),
        (parameter("stream_id", "path", ID),),
        scope=Scope.INBOX,
    ),
}

_NOTE: Final = parameter("note", "path", ID)
_ACCEPTED: Final = {"202": answer(None, "Done.")}
DIALECT: Final[dict[tuple[Any, str], Operation]] = {
    (keria.NotesView, "get"): Operation(
        "The list as notes, oldest first",
        {
            status: answer(several({"$ref": "#/components/schemas/Note"}), text, headers=_RANGE_HEADERS)
            for status, text in (("200", "The first notes."), ("206", "The notes of the range."))
        },
        (*FILTERED, "not_found"),
        (
            parameter("Range", "header", {"type": "string", "examples": ["notes=0-24"]}),
            query("order", {"enum": ["asc", "desc"]}),
            query("read", {"enum": list(keria.READ)}, "Only what is read, or is not."),
            ROUTE,
            *FILTERS,
        ),
    ),
    (keria.NoteView, "put"): Operation(
        "Mark a note read",
        _ACCEPTED,
        (*BODY, "not_found"),
        (_NOTE,),
        obj({}, closed=True),
        Scope.INBOX,
        needs_body=False,
    ),
    (keria.NoteView, "delete"): Operation(
        "Delete a note for good", _ACCEPTED, (*UNSAFE, "not_found"), (_NOTE,), scope=Scope.INBOX
    ),
}

TAGS: Final = {
    "reading": READING,
    "stream": STREAMS,
    "publishing": PUBLISHING,
    "event types": TYPES,
    "range dialect": DIALECT,
    "about": ABOUT,
}
