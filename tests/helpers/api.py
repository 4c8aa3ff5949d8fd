"""A client of the REST interface that checks, at each answer, what all answers have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.http.response import HttpResponseBase
from django.test import Client

from notifications.protocol.problems import PROBLEMS

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
