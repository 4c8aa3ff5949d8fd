"""Producers, and what they send over HTTP."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User

from tests.helpers.api import Answer, Api
from tests.helpers.factories import make_user
from tests.helpers.tokens import make_token

PUBLISH = "/api/v1/publish"
BATCH = "/api/v1/publish/batch"
WITHDRAW = "/api/v1/publish/withdraw"
EVENTS = "/api/v1/events"
TYPE = "orders.order.shipped"


def make_producer(username: str = "shop", **fields: Any) -> User:
    """A user who may send notifications."""
    user = make_user(username, **fields)
    user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    return user


def producer_api(user: User | None = None, **options: Any) -> Api:
    """Asks as a program of a producer (a new one), by a token with the scope to publish."""
    return Api(token=make_token(user or make_producer(), "publish", **options).text)


def draft(*users: Any, **fields: Any) -> dict[str, Any]:
    """A good body of `/publish` to some users."""
    to = {"users": [user.get_username() for user in users]}
    return {"to": to, "type": TYPE, "title": "Your order is on its way"} | fields


def transient(*users: Any, **fields: Any) -> dict[str, Any]:
    """A good body of `POST /events` to some users."""
    to = {"users": [user.get_username() for user in users]}
    return {"to": to, "type": "imports.run.progress", "data": {"done": 3}} | fields


def post(api: Api, path: str, body: Any, key: str = "") -> Answer:
    """POST JSON, with an idempotency key if one is given."""
    return api.send("POST", path, body, **({"Idempotency_Key": key} if key else {}))
