"""The middleware by which a password change knows its own session.

It comes after Django's SessionMiddleware.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from notifications.contrib.security import services
from notifications.contrib.security.best_effort import best_effort
from notifications.contrib.security.services import current_request


@sync_and_async_middleware
def sign_in_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Make the request known to ``current_sign_in()``, and record the new key of a session."""
    if iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> HttpResponseBase:
            key = request.session.session_key
            token = current_request.set(request)
            try:
                response = await cast("Awaitable[HttpResponseBase]", get_response(request))
            finally:
                current_request.reset(token)
            if _has_new_key(request, key):
                await sync_to_async(_follow)(request)
            return response

        return amiddleware

    def middleware(request: HttpRequest) -> HttpResponseBase:
        key = request.session.session_key
        token = current_request.set(request)
        try:
            response = cast("HttpResponseBase", get_response(request))
        finally:
            current_request.reset(token)
        if _has_new_key(request, key):
            _follow(request)
        return response

    return middleware


def _has_new_key(request: HttpRequest, key: str | None) -> bool:
    # This must not load a session that the view did not load: each answer would then vary by cookie, and cost
    # a query.
    return request.session.modified and request.session.session_key not in (None, key)


def _follow(request: HttpRequest) -> None:
    with best_effort("follow a session to its new key"):
        services.follow_session(request.session)
