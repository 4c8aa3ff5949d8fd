"""Examples of bodies and answers for ``/api/docs/``; each is valid, and each request can be sent as it is."""

from __future__ import annotations

import json
from typing import Any, Final

from notifications.notification_states import STATE
from notifications.protocol.json_schema import DIALECT
from notifications.protocol.problems import PROBLEMS, problem_document

_ID: Final = "01a1ff43-82ff-7458-84e4-55e6c77c7973"
_CURSOR: Final = "n2vxi4ww-41"
_AT: Final = "2026-11-21T02:03:04.567890Z"
_NOTIFICATION: Final[dict[str, Any]] = {
    "id": _ID,
    "position": 41,
    "type": "orders.order.shipped",
    "category": "orders",
    "topic": "order:7",
    "level": "info",
    "title": "Your order is on its way",
    "body": "",
    "url": "/orders/7/",
    "actor": "grace",
    "actions": [{"label": "Track", "url": "/orders/7/parcel/", "method": "GET"}],
    "data": {"order_id": 7},
    "created_at": _AT,
    **dict.fromkeys(STATE),
    "expires_at": None,
    "replay_of": None,
}

DRAFT: Final = {
    "to": {"users": ["ada"]},
    "type": "orders.order.shipped",
    "topic": "order:7",
    "title": "Your order is on its way",
    "url": "/orders/7/",
    "actions": [{"label": "Track", "url": "/orders/7/parcel/"}],
    "data": {"order_id": 7},
}
LATER: Final = {
    "to": {"everyone": True},
    "type": "news.site.maintenance",
    "topic": "maintenance",
    "level": "warning",
    "title": "Down for an hour tonight",
    "collapse_key": "maintenance",
    "deliver_at": "2999-11-22T04:00:00Z",
    "expires_at": "2999-11-22T06:00:00Z",
}

# Examples of the named shapes, by name.
OF_SHAPES: Final[dict[str, Any]] = {
    "Cursor": _CURSOR,
    "Notification": _NOTIFICATION,
    "Change": {
        "change": "notification.created",
        "cursor": _CURSOR,
        "position": 41,
        "at": _AT,
        "unread_count": 3,
        "notification": _NOTIFICATION,
    },
    "Note": {
        "i": _ID,
        "dt": _AT,
        "r": False,
        "a": {"r": "/orders/order/shipped", "d": {"order_id": 7}, "title": "Your order is on its way"},
    },
    "Outcome": {"changed": 1, "not_found": [], "cursor": _CURSOR, "unread_count": 3},
    "Transient": {
        "to": {"users": ["ada"]},
        "type": "imports.run.progress",
        "topic": "run:7",
        "data": {"done": 3, "total": 10},
    },
    "Draft": DRAFT,
    "EventType": {
        "name": "orders.order.shipped",
        "category": "shipping",
        "category_label": "Shipping",
        "level": "success",
        "label": "Order shipped",
        "icon": "inbox",
        "durable": True,
        "transient": False,
        "schema": {
            "$schema": DIALECT,
            "type": "object",
            "properties": {"order_id": {"type": "integer"}, "carrier": {"type": "string", "default": ""}},
            "required": ["order_id"],
            "additionalProperties": False,
        },
    },
    "Sent": {"count": 1, "ids": [_ID]},
    "Job": {
        "id": _ID,
        "state": "running",
        "total": 100_000,
        "done": 42_500,
        "failed": 0,
        "rate": 17_670.0,
        "created_at": _AT,
        "started_at": _AT,
        "finished_at": None,
    },
}

ACTIONS: Final = {
    "Some, by their ids": {"action": "read", "ids": [_ID]},
    "All that was seen": {"action": "read", "up_to": _CURSOR},
    "All of a category": {"action": "read", "up_to": _CURSOR, "category": "orders"},
}
DRAFTS: Final = {"To a user": DRAFT, "To everyone, later": LATER}
BATCH: Final = {"Two": [DRAFT, LATER]}
WITHDRAWAL: Final = {
    "By topic and type": {"topic": "maintenance", "type": "news.site.maintenance"},
    "By id": {"ids": [_ID]},
}
READ: Final = {"Read": {"read": True}, "Unread": {"read": False}}
TICKET: Final = {"For oneself": {}, "For a named user": {"user": "ada"}}


def of_problems() -> dict[str, Any]:
    """Return the document of each code, with its own members."""
    more: dict[str, Any] = {
        code: {"cursor": _CURSOR}
        for code in PROBLEMS
        if code.startswith("cursor_") and PROBLEMS[code].status == 410
    }
    wrong = {"limit": "must be a whole number from 1 to 200"}
    more["invalid"] = {"detail": "limit: must be a whole number from 1 to 200", "errors": wrong}
    more["throttled"] = {"more": {"limit": 6_000, "remaining": 0, "reset_at": _AT}}
    more["stream_limit"] = {"more": {"limit": 6}}
    return {code: {"value": json.loads(problem_document(code, **more.get(code, {})))} for code in PROBLEMS}


def named(values: dict[str, Any]) -> dict[str, Any]:
    """Return examples in OpenAPI's form, from their names."""
    return {name: {"value": value} for name, value in values.items()}
