"""Turns exceptions into answers, by the one table of the REST interface."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf

from notifications.exceptions import CursorUnusable, HubError, InvalidInput, MissingScope
from notifications.protocol.problems import (
    CONTENT_TYPE,
    PROBLEMS,
    problem_document,
    problem_headers,
    scope_challenge,
)
from notifications.rest.http.throttles import Throttled

logger = logging.getLogger(__name__)

# Answers belong to one user: no shared cache may store them, and a browser asks again each time, which costs
# one row.
PRIVATE_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Authorization",
}


class BodyTooLarge(HubError):
    """A request body over the limit."""

    code = "too_large"
    message = "A request body may hold at most 1 MiB; send it in parts."


class CsrfFailed(HubError):
    """A request with an unsafe method and a session, but without the CSRF token."""

    code = "csrf_failed"
    message = PROBLEMS["csrf_failed"].detail


# The hub's own errors have their code; these are all others. The nearest base class counts.
CODES: Final[dict[type[BaseException], str]] = {
    BadRequest: "bad_request",
    Http404: "not_found",
    # A row that this refers to, a recipient for example, was deleted at that very moment.
    IntegrityError: "unavailable",
    InterfaceError: "unavailable",
    MultiPartParserError: "bad_request",
    OperationalError: "unavailable",  # the database is away, or an inbox was locked for longer than the limit
    PermissionDenied: "forbidden",
    RequestDataTooBig: "too_large",
    SuspiciousOperation: "bad_request",
    UnreadablePostError: "bad_request",
    drf.AuthenticationFailed: "bad_credential",
    drf.MethodNotAllowed: "method_not_allowed",
    drf.NotAuthenticated: "not_authenticated",
    drf.PermissionDenied: "forbidden",
    drf.UnsupportedMediaType: "unsupported_media_type",
}


def code_of(error: BaseException) -> str | None:
    """Return the problem code of an exception; None for an unforeseen one, which is a 500."""
    if isinstance(error, HubError):
        return error.code
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)


def problem_response(
    code: str,
    detail: str = "",
    *,
    errors: dict[str, str] | None = None,
    cursor: str = "",
    more: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Return a response with a problem document; the arguments are those of ``problem_document``."""
    return HttpResponse(
        problem_document(code, detail, errors=errors, cursor=cursor, more=more),
        status=PROBLEMS[code].status,
        content_type=CONTENT_TYPE,
        headers={**PRIVATE_HEADERS, **problem_headers(code)},
    )


def answer_error(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Return the answer to an exception that a view raised; None lets Django make it a 500.

    This is DRF's exception handler.
    """
    code = code_of(error)
    if code is None:
        return None
    if PROBLEMS[code].status >= 500:
        logger.warning("Answered %s", code, exc_info=error)
    response = problem_response(
        code,
        str(error) if isinstance(error, HubError) else "",
        errors=error.errors if isinstance(error, InvalidInput) else None,
        cursor=error.head if isinstance(error, CursorUnusable) else "",
        more=error.allowance.problem_members(datetime.now(UTC)) if isinstance(error, Throttled) else None,
    )
    if isinstance(error, Throttled):
        response["Retry-After"] = str(error.allowance.seconds)
    if isinstance(error, MissingScope):
        response["WWW-Authenticate"] = scope_challenge(error.scope)
    if response.status_code == 405:
        response["Allow"] = ", ".join(context["view"].served_methods)
    return response
