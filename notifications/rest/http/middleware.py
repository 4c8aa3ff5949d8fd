"""Middleware: refuses text that cannot be stored, and gives the API its form of errors and CORS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.core.exceptions import BadRequest, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from notifications.conf import hub_config
from notifications.http import cors
from notifications.protocol.problems import CONTENT_TYPE, code_of_status
from notifications.rest.http.errors import problem_response

API_PREFIX: Final = "/api/"
API_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# The Range dialect stands at the root of the site.
_DIALECT: Final = re.compile(r"/notifications(/|\Z)")
# NUL, and the bytes that result from encoding a surrogate, which UTF-8 has no form for.
_UNSTORABLE: Final = re.compile(rb"\0|\xed[\xa0-\xbf]")


class RefuseUnstorableText(MiddlewareMixin):
    """Answers 400 to NUL and lone surrogates in path, query string, cookies and forms.

    PostgreSQL cannot store NUL: without this, the admin's filters and a crafted session cookie (whose octal
    escapes Django decodes) answer 500 there, and 200 on SQLite.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Check everything that comes before the body, before anything queries the database."""
        try:
            # Django decodes query and form with the charset that Content-Type declares. A client could choose
            # `unicode_escape` (and so send NUL) or a codec that does not decode text (and so cause a 500), so
            # both are UTF-8 here. Setting it reads the query once, which is where too many parameters are
            # found.
            request.encoding = "utf-8"
        except TooManyFieldsSent:
            request.GET = QueryDict()  # the page that shows the error in development reads it again
            return _refuse(request, "query", "holds too many parameters")
        if _is_unstorable(request.META.get("QUERY_STRING", "").encode("utf-8", "surrogatepass")):
            return _refuse(request, "query")
        if "\0" in request.path_info:
            return _refuse(request, "path")
        if any("\0" in value for value in request.COOKIES.values()):
            return _refuse(request, "cookie")
        return None

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Check a form; other bodies are the view's to read, and the API accepts no forms.

        In a multipart form, surrogates have become U+FFFD by the time it is parsed; that can be stored.
        """
        if _is_api(request):
            return None
        if request.content_type == "application/x-www-form-urlencoded":
            found = _is_unstorable(request.body)
        elif request.content_type == "multipart/form-data":
            found = any("\0" in name + value for name, values in request.POST.lists() for value in values)
        else:
            return None
        return _refuse(request, "form") if found else None


class ApiCors(MiddlewareMixin):
    """Lets pages of the origins in ``HUB_CORS_ORIGINS`` use the API; the stream does so by itself.

    It comes before all other middleware. It opens nothing else: the client still needs a credential, and with
    a session an unsafe method still needs its CSRF token.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a preflight request."""
        if request.method != "OPTIONS" or not _is_api(request):
            return None
        requested_method = request.headers.get("Access-Control-Request-Method")
        allowed = cors.preflight_headers(request.headers.get("Origin"), requested_method, API_METHODS)
        return None if allowed is None else HttpResponse(status=204, headers=allowed)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say which page may read the answer."""
        if hub_config().cors_origins and _is_api(request):
            patch_vary_headers(response, ["Origin"])
            for name, value in cors.cors_headers(request.headers.get("Origin")).items():
                response.headers.setdefault(name, value)
        return response


class ApiProblems(MiddlewareMixin):
    """Turns errors that Django itself answers for the API and the Range dialect into problem documents.

    Examples are an unknown path, a wrong Host, and a failure. It comes before all other middleware but
    ``ApiCors``, so that it sees their answers, and the debug pages too.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Replace the body with a problem document, keeping the headers that other middleware has set."""
        is_error = _is_api(request) and response.status_code >= 400
        if not is_error or response.headers.get("Content-Type") == CONTENT_TYPE:
            return response
        problem = problem_response(code_of_status(response.status_code))
        for name, value in response.items():
            if name.lower() not in ("content-encoding", "content-length"):
                problem.headers.setdefault(name, value)
        problem["Content-Length"] = str(len(problem.content))
        response.close()
        return problem


def _is_api(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith(API_PREFIX) or (hub_config().range_dialect and _DIALECT.match(path) is not None)


def _is_unstorable(urlencoded: bytes) -> bool:
    return _UNSTORABLE.search(unquote_to_bytes(urlencoded)) is not None


def _refuse(
    request: HttpRequest, part: str, why: str = "holds a NUL character or a lone surrogate"
) -> HttpResponse:
    if _is_api(request):
        return problem_response("invalid", errors={part: why})
    raise BadRequest(f"The {part} {why}.")
