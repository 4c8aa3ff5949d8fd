"""A client of the REST interface that checks, at each answer, what all answers have in common, and what
producers send by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.contrib.auth.models import User
from django.http.response import HttpResponseBase
from django.test import Client

from notifications.protocol.problems import PROBLEMS
from tests.helpers.factories import make_producer, make_token

ROOT = "/api/v1/notifications"
TICKET = "/api/v1/stream/ticket"
CSRF_TOKEN = "a" * 32


class Answer:
    """An answer, with its JSON read strictly."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body: bytes = getattr(response, "content", b"")
        self.cookies = response.cookies

    @property
    def json(self) -> Any:
        """The body as JSON; a doubled key or NaN is an error."""
        assert self.headers["Content-Type"] in ("application/json", "application/problem+json")
        return json.loads(self.body, object_pairs_hook=_unique, parse_constant=_refuse)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, checked against its status and the closed list."""
        document: dict[str, Any] = self.json
        assert self.headers["Content-Type"] == "application/problem+json"
        assert document["status"] == self.status == PROBLEMS[document["code"]].status
        assert document["title"]
        assert document["detail"]
        return document

    @property
    def code(self) -> str:
        """The problem's code."""
        code: str = self.problem["code"]
        return code


class Api:
    """Asks the REST interface as one user with a session, as a program with a token, or as nobody."""

    def __init__(self, user: User | None = None, *, csrf: bool = True, token: str = "") -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self._headers: dict[str, str] = {}
        if user is not None:
            self.client.force_login(user)
        if csrf:
            self.client.cookies["csrftoken"] = CSRF_TOKEN
            self._headers["X-CSRFToken"] = CSRF_TOKEN
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str = "", params: Any = None, **headers: str) -> Answer:
        """GET below the root; a url that begins with a scheme as it is."""
        return self.ask("GET", path, query=params, headers=headers)

    def send(self, method: str, path: str, body: Any, **headers: str) -> Answer:
        """Send JSON."""
        return self.ask(method, path, body=json.dumps(body).encode(), headers=headers)

    def patch(self, public_id: Any, body: Any) -> Answer:
        """PATCH one notification."""
        return self.send("PATCH", f"/{public_id}", body)

    def delete(self, public_id: Any) -> Answer:
        """DELETE one notification."""
        return self.ask("DELETE", f"/{public_id}")

    def act(self, **body: Any) -> Answer:
        """POST an action."""
        return self.send("POST", "/actions", body)

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        body: bytes = b"",
        content_type: str = "application/json",
        query: Any = None,
        headers: Mapping[str, str] | None = None,
        **environ: str,
    ) -> Answer:
        """Any request."""
        url = path if path.startswith(("/api/", "/notifications", "http")) else ROOT + path
        extra: Any = {"CONTENT_TYPE": content_type} | environ
        response = self.client.generic(
            method,
            url,
            body,
            content_type,
            query_params=query,
            headers=self._headers
            | {name.replace("_", "-"): value for name, value in (headers or {}).items()},
            **extra,
        )
        answer = Answer(response)
        assert answer.headers["Cache-Control"] == ("no-store" if url == TICKET else "private, no-cache")
        assert answer.headers["Vary"] == "Cookie, Authorization"
        return answer


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    assert len(result) == len(pairs), "a key stands twice"
    return result


def _refuse(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


PUBLISH = "/api/v1/publish"
BATCH = "/api/v1/publish/batch"
WITHDRAW = "/api/v1/publish/withdraw"
EVENTS = "/api/v1/events"
TYPE = "orders.order.shipped"


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
