"""Producers, and what they send over HTTP."""

from __future__ import annotations

from typing import Any, Final

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


PAY: Final = {"label": "Pay", "url": "/pay/7/", "method": "POST"}

# What no door takes as actions, and the field that it names.
BAD_ACTIONS: Final[list[tuple[Any, str]]] = [
    (None, "actions"),
    ("[]", "actions"),
    ({"label": "Pay", "url": "/pay/"}, "actions"),
    ([PAY, PAY, PAY], "actions"),
    (["Pay"], "actions.0"),
    ([PAY, None], "actions.1"),
    ([PAY | {"icon": "pay"}], "actions.0.icon"),
    ([{"url": "/pay/"}], "actions.0.label"),
    ([PAY | {"label": " "}], "actions.0.label"),
    ([PAY | {"label": 7}], "actions.0.label"),
    ([PAY | {"label": "x" * 41}], "actions.0.label"),
    ([PAY | {"label": "Pay\nnow"}], "actions.0.label"),
    ([PAY | {"label": "Pay\x9b"}], "actions.0.label"),
    ([{"label": "Pay"}], "actions.0.url"),
    ([PAY, PAY | {"url": ""}], "actions.1.url"),
    ([PAY | {"url": None}], "actions.0.url"),
    ([PAY | {"url": "/" + "x" * 2_000}], "actions.0.url"),
    ([PAY | {"url": "/pay/\t"}], "actions.0.url"),
    ([PAY | {"url": "pay/"}], "actions.0.url"),
    ([PAY | {"url": "//evil.example/"}], "actions.0.url"),
    ([PAY | {"url": "/\\evil.example/"}], "actions.0.url"),
    ([PAY | {"url": "https://evil.example/"}], "actions.0.url"),
    ([{"label": "Pay", "url": "javascript:alert(1)"}], "actions.0.url"),
    ([{"label": "Pay", "url": "data:text/html,x"}], "actions.0.url"),
    ([{"method": "DELETE", "label": "Pay", "url": "/pay/"}], "actions.0.method"),
    ([{"method": "post", "label": "Pay", "url": "/pay/"}], "actions.0.method"),
    ([{"method": None, "label": "Pay", "url": "/pay/"}], "actions.0.method"),
]
