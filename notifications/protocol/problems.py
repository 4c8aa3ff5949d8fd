"""The closed list of problem codes, and the form of an error on the wire (protocol, section 3).

REST, the stream's refusals and the middleware share it, so that one cause looks the same everywhere.
docs/errors.md lists the codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from notifications import exceptions
from notifications.protocol.retry_after import retry_after

CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="hub"'


class Problem(NamedTuple):
    """One code of the closed list.

    Attributes:
        status: the HTTP status that it always has.
        detail: the sentence for a person, unless the cause brings its own.
        challenge: the value of ``WWW-Authenticate``; empty when no other credential helps.
    """

    status: int
    detail: str
    challenge: str = ""


PROBLEMS: Final[dict[str, Problem]] = {
    "invalid": Problem(400, exceptions.InvalidInput.message),
    "unknown_filter": Problem(400, exceptions.UnknownFilter.message),
    "cursor_malformed": Problem(400, exceptions.MalformedCursor.message),
    "unknown_type": Problem(400, exceptions.UnknownEventType.message),
    "bad_request": Problem(
        400, "This request breaks the rules of HTTP or names a host that is not served here."
    ),
    "not_authenticated": Problem(401, "Log in, or send a bearer token.", challenge=CHALLENGE),
    "bad_credential": Problem(
        401,
        "This token is unknown, has expired or was revoked.",
        challenge=f'{CHALLENGE}, error="invalid_token"',
    ),
    "forbidden": Problem(403, "You may not do this."),
    "type_not_allowed": Problem(403, exceptions.TypeNotAllowed.message),
    "csrf_failed": Problem(
        403, "With a session, unsafe methods need the CSRF token of this site; reload the page."
    ),
    "cross_site": Problem(403, "Pages of that site may not read this."),
    "not_found": Problem(404, "There is nothing here."),
    "method_not_allowed": Problem(405, "This method is not allowed here; Allow names those that are."),
    "not_acceptable": Problem(406, "This is not available in any form that Accept admits."),
    "idempotency_in_progress": Problem(409, exceptions.IdempotencyInProgress.message),
    "cursor_expired": Problem(410, exceptions.CursorExpired.message),
    "cursor_epoch": Problem(410, exceptions.CursorEpoch.message),
    "cursor_ahead": Problem(410, exceptions.CursorAhead.message),
    "too_large": Problem(413, "This is larger than the hub takes."),
    "uri_too_long": Problem(414, "The query string is longer than the hub reads."),
    "unsupported_media_type": Problem(415, "Send the body as application/json."),
    "idempotency_key_reused": Problem(422, exceptions.IdempotencyKeyReused.message),
    "throttled": Problem(429, "You have sent too many requests; wait a little."),
    "stream_limit": Problem(429, exceptions.StreamLimit.message),
    "headers_too_large": Problem(431, "The headers are longer than the hub reads."),
    "internal_error": Problem(500, "The hub failed; the failure is in its log."),
    "unavailable": Problem(503, "The hub cannot do this just now; try again."),
}

# The phrases of RFC 9110, which Python has only since 3.13.
_TITLES: Final = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}

_CODE_OF_STATUS: Final = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    503: "unavailable",
}


def code_of_status(status: int) -> str:
    """Return the code for an error of Django itself, of which only the status is known."""
    return _CODE_OF_STATUS.get(status, "bad_request" if status < 500 else "internal_error")


def problem_headers(code: str) -> dict[str, str]:
    """Return the headers of a problem: when to retry, and which credential would help."""
    problem = PROBLEMS[code]
    headers = {"WWW-Authenticate": problem.challenge} if problem.challenge else {}
    if (seconds := retry_after(code)) is not None:
        headers["Retry-After"] = seconds
    return headers


def scope_challenge(scope: str) -> str:
    """Return the value of ``WWW-Authenticate`` for a token that lacks a scope (RFC 6750, section 3.1)."""
    return f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"'


def problem_document(
    code: str,
    detail: str = "",
    *,
    errors: dict[str, str] | None = None,
    cursor: str = "",
    more: Mapping[str, object] | None = None,
) -> bytes:
    """Return the body of an error: one object of RFC 9457 in ASCII JSON.

    Args:
        code: one of the closed list; it decides the status.
        detail: the sentence for a person; empty for the code's own.
        errors: a sentence for each bad field.
        cursor: the inbox's head, when a cursor cannot be resumed.
        more: further members, such as a limit that was reached and when it is reset.

    Raises:
        KeyError: the code is not in the list.
    """
    problem = PROBLEMS[code]
    document: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status) or HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": code,
        "detail": detail or problem.detail,
    }
    if errors:
        document["errors"] = errors
    if cursor:
        document["cursor"] = cursor
    return json.dumps(document | dict(more or {})).encode("ascii")
