"""Checks a stream's request as Django's middleware would, before the database is touched.

The order is: method, Host, size, Sec-Fetch-Site and Origin, Accept, and the query string. The credential is
checked after all of them (``notifications.streaming.door.credentials``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from notifications.conf import hub_config
from notifications.exceptions import InvalidInput
from notifications.http import cors
from notifications.services.credentials.tokens import refuse_in_url
from notifications.streaming import timing
from notifications.streaming.asgi import HeaderList, Headers, Scope
from notifications.streaming.connection.request import StreamRequest, parse_query
from notifications.streaming.refusals import Refusal

METHODS: Final = ("GET", "HEAD")
SIGNALS: Final = "hub.signals"  # in the scope of a request for the Range dialect's stream
_DEVELOPMENT_HOSTS: Final = (".localhost", "127.0.0.1", "[::1]")
_OWN_SITE: Final = frozenset({"same-origin", "none"})


def check(scope: Scope, headers: Headers) -> StreamRequest:
    """Check a request, and read what it asks for.

    Raises:
        Refusal: for the first thing that is wrong.
    """
    _check(scope, headers, hub_config().cors_origins)
    return _read_query(scope, headers)


def check_own_site(scope: Scope, headers: Headers) -> Mapping[str, list[str]]:
    """Check a request for one of the staff's streams, and read its parameters.

    Pages of other sites are never admitted.

    Raises:
        Refusal: for the first thing that is wrong.
    """
    _check(scope, headers, ())
    try:
        parameters = parse_query(scope["query_string"])
        refuse_in_url(parameters)
    except InvalidInput as invalid:
        raise Refusal(invalid.code, str(invalid), errors=invalid.errors) from invalid
    return parameters


def _check(scope: Scope, headers: Headers, origins: Collection[str]) -> None:
    if scope["method"] not in METHODS:
        raise Refusal("method_not_allowed", headers=[(b"allow", ", ".join(METHODS).encode())])
    host = check_host(headers)
    check_size(scope)
    _check_site(scope, headers, host, origins)
    _check_accept(headers)


def cors_headers(headers: Headers) -> HeaderList:
    """Return the headers that let a page of another site read the answer; empty for unlisted origins."""
    return _encoded(cors.cors_headers(headers.get("origin")))


def preflight_headers(scope: Scope, headers: Headers) -> HeaderList | None:
    """Return the headers of the answer to a CORS preflight; None when the request is not one.

    Raises:
        Refusal: the Host is not served here.
    """
    if scope["method"] != "OPTIONS":
        return None
    requested_method = headers.get("access-control-request-method")
    allowed = cors.preflight_headers(headers.get("origin"), requested_method, METHODS)
    if not allowed:
        return None
    check_host(headers)
    return _encoded(allowed)


def _encoded(headers: Mapping[str, str]) -> HeaderList:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def check_host(headers: Headers) -> str:
    """Return the one valid Host, by the rules of ``HttpRequest.get_host``.

    Raises:
        Refusal: there is none, or more than one.
    """
    forwarded = headers.all("x-forwarded-host") if settings.USE_X_FORWARDED_HOST else []
    hosts = forwarded or headers.all("host")
    allowed = settings.ALLOWED_HOSTS or (_DEVELOPMENT_HOSTS if settings.DEBUG else ())
    if len(hosts) == 1:
        domain, _ = split_domain_port(hosts[0])
        if domain and validate_host(domain, allowed):
            return hosts[0].lower()
    raise Refusal(
        "bad_request", "The Host header is missing, repeated, or names a host that is not served here."
    )


def check_size(scope: Scope) -> None:
    """Refuse a query string or headers that are longer than the hub reads."""
    if len(scope["query_string"]) > timing.MAX_QUERY_BYTES:
        raise Refusal("uri_too_long")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > timing.MAX_HEADER_BYTES:
        raise Refusal("headers_too_large")


def _check_site(scope: Scope, headers: Headers, host: str, allowed: Collection[str]) -> None:
    """Refuse pages of other sites. A client that is no browser sends neither header, and passes."""
    origins = headers.all("origin")
    if origins and all(origin in allowed for origin in origins):
        return
    own = f"{_scheme(scope, headers)}://{host}"
    if any(origin != own for origin in origins) or not _OWN_SITE.issuperset(headers.all("sec-fetch-site")):
        raise Refusal("cross_site")


def _scheme(scope: Scope, headers: Headers) -> str:
    """Return the scheme that the client used, as ``HttpRequest.scheme`` does."""
    if settings.SECURE_PROXY_SSL_HEADER:
        variable, secure = settings.SECURE_PROXY_SSL_HEADER
        forwarded = headers.get(variable.removeprefix("HTTP_").replace("_", "-").lower())
        if forwarded is not None:
            return "https" if forwarded.split(",", 1)[0].strip() == secure else "http"
    return str(scope.get("scheme", "http"))


def _check_accept(headers: Headers) -> None:
    """Refuse a client that does not accept ``text/event-stream``; the most specific range decides."""
    accept = headers.get("accept")
    if not accept:
        return
    quality: dict[str, float] = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        quality[media_range] = max(quality.get(media_range, 0.0), _quality(parameters))
    for media_range in ("text/event-stream", "text/*", "*/*"):
        if media_range in quality:
            if quality[media_range] > 0:
                return
            break
    raise Refusal("not_acceptable", "The stream is served as text/event-stream only.")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _read_query(scope: Scope, headers: Headers) -> StreamRequest:
    try:
        parameters: Mapping[str, list[str]] = parse_query(scope["query_string"])
        refuse_in_url(parameters)
        return StreamRequest.parse(parameters, headers, takes_signals=SIGNALS in scope)
    except InvalidInput as invalid:
        raise Refusal(invalid.code, str(invalid), errors=invalid.errors) from invalid
