"""The guard of the stream: what Django's middleware would have refused, in the order that the protocol
gives.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.streaming import timing
from notifications.streaming.asgi import Headers
from notifications.streaming.connection.request import StreamRequest, parse_query
from notifications.streaming.door import guard
from notifications.streaming.refusals import Refusal

pytestmark = pytest.mark.shape("embedded")


def scope(
    query: bytes | str = b"", *, method: str = "GET", scheme: str = "http", **headers: str | None
) -> Any:
    given_headers = {
        "host": "127.0.0.1:8000",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    return {
        "type": "http",
        "method": method,
        "scheme": scheme,
        "path": "/api/v1/notifications/stream",
        "query_string": query.encode() if isinstance(query, str) else query,
        "headers": [
            (name.encode(), text.encode("latin-1"))
            for name, text in given_headers.items()
            if text is not None
        ],
    }


def check(*args: Any, **kwargs: Any) -> StreamRequest:
    made = scope(*args, **kwargs)
    return guard.check(made, Headers(made))


def refused(*args: Any, **kwargs: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        check(*args, **kwargs)
    return raised.value


def test_order__everything_wrong__the_earliest_is_told() -> None:
    wrong: dict[str, Any] = {
        "query": b"token=1&" + b"x" * timing.MAX_QUERY_BYTES,
        "method": "POST",
        "host": "evil.example",
        "sec_fetch_site": "cross-site",
        "accept": "text/html",
    }
    told = []
    for name, right in [
        ("method", "GET"),
        ("host", "localhost"),
        ("query", b"token=1"),
        ("sec_fetch_site", "same-origin"),
        ("accept", "*/*"),
        ("query", b""),
    ]:
        told.append(refused(**wrong).code)
        wrong[name] = right
    assert told == [
        "method_not_allowed",
        "bad_request",
        "uri_too_long",
        "cross_site",
        "not_acceptable",
        "invalid",
    ]
    assert check(**wrong)


def test_size__of_query_or_headers__refused() -> None:
    assert refused(b"x" * (timing.MAX_QUERY_BYTES + 1)).code == "uri_too_long"
    assert refused(x_padding="x" * timing.MAX_HEADER_BYTES).code == "headers_too_large"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", ""])
def test_method__other_than_get_and_head__405_with_allow(method: str) -> None:
    refusal = refused(method=method)
    assert (refusal.status, refusal.headers) == (405, [(b"allow", b"GET, HEAD")])


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1:x", "127.0.0.1:8000@evil", "a b", "[::1", None]
)
def test_host__not_served_here__400(host: str | None) -> None:
    assert refused(host=host).status == 400


def test_host__given_twice__400() -> None:
    made = scope()
    made["headers"].append((b"host", b"127.0.0.1"))
    with pytest.raises(Refusal):
        guard.check(made, Headers(made))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"])
def test_host__served_here__passes(host: str) -> None:
    assert check(host=host)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense", ""])
def test_site__of_others__403(site: str) -> None:
    assert refused(sec_fetch_site=site).status == 403


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_site__own_or_no_browser__passes(site: str | None) -> None:
    assert check(sec_fetch_site=site)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "https://127.0.0.1:8000",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:8000.evil",
    ],
)
def test_origin__of_others__403(origin: str) -> None:
    assert refused(origin=origin).status == 403
    assert refused(origin=origin, sec_fetch_site="same-origin").status == 403


def test_origin__own__passes() -> None:
    assert check(origin="http://127.0.0.1:8000")


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_origin__behind_a_proxy_with_tls__is_compared_with_https() -> None:
    assert check(origin="https://127.0.0.1:8000", x_forwarded_proto="https")
    assert refused(origin="https://127.0.0.1:8000", x_forwarded_proto="http").status == 403


@override_settings(NOTIFICATION_HUB={"cors_origins": ("https://app.example",)})
def test_origin__on_the_list__passes_and_may_read() -> None:
    made = scope(origin="https://app.example", sec_fetch_site="cross-site")
    assert guard.check(made, Headers(made))
    allowed = dict(guard.cors_headers(Headers(made)))
    assert allowed[b"access-control-allow-origin"] == b"https://app.example"
    assert allowed[b"access-control-allow-credentials"] == b"true"
    assert b"Retry-After" in allowed[b"access-control-expose-headers"]
    other = Headers(scope(origin="https://app.example.evil"))
    assert guard.cors_headers(other) == []


@override_settings(NOTIFICATION_HUB={"cors_origins": ("https://app.example",)})
def test_preflight__of_a_listed_origin_alone__is_answered() -> None:
    asked = {"access_control_request_method": "GET"}
    made = scope(method="OPTIONS", origin="https://app.example", **asked)
    answered = dict(guard.preflight_headers(made, Headers(made)) or [])
    assert b"Last-Event-ID" in answered[b"access-control-allow-headers"]
    for changed in ({"origin": "https://evil.example"}, {"access_control_request_method": "POST"}):
        other = scope(method="OPTIONS", **{"origin": "https://app.example", **asked, **changed})
        assert guard.preflight_headers(other, Headers(other)) is None
    elsewhere = scope(method="OPTIONS", origin="https://app.example", host="evil.example", **asked)
    with pytest.raises(Refusal, match="bad_request"):
        guard.preflight_headers(elsewhere, Headers(elsewhere))


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "text/event-stream",
        "TEXT/Event-Stream;q=0.1",
        "*/*",
        "text/*",
        "text/html, */*;q=0.1",
        "text/html;q=0, text/event-stream",
    ],
)
def test_accept__admits_the_stream__passes(accept: str | None) -> None:
    assert check(accept=accept)


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/json", "text/event-stream;q=0, */*", "*/*;q=0", "*/*;q=x", ",;,=", "text"],
)
def test_accept__does_not__406(accept: str) -> None:
    assert refused(accept=accept).status == 406


@pytest.mark.parametrize("name", ["token", "access_token", "api_key"])
def test_credential_in_the_url__400_that_names_it(name: str) -> None:
    refusal = refused(f"{name}=secret")
    assert (refusal.status, list(refusal.errors)) == (400, [name])
    assert "secret" not in str(refusal)


@pytest.mark.parametrize("query", ["a=%00", "%00", "after=%ED%A0%80", "x=%ed%bf%bf", "topic=%00"])
def test_query__nul_or_lone_surrogate__400(query: str) -> None:
    assert refused(query).status == 400


@pytest.mark.parametrize(
    "query", ["level=loud", "type=a.*b", "category=A", "topic=", "type=,", "level=" + "info," * 60]
)
def test_query__bad_filter__400_that_names_it(query: str) -> None:
    refusal = refused(query)
    assert refusal.status == 400
    assert refusal.errors


@pytest.mark.parametrize(
    "query", ["", "&&&", "=", "a", "a=b=c", "unknown=1&unknown=2", "after=%FF%FE", "a=%zz", "%"]
)
def test_query__odd_but_harmless__passes(query: str) -> None:
    assert check(query)


@given(query=st.binary(max_size=200), cookie=st.text(st.characters(max_codepoint=255), max_size=20))
def test_any_query__passes_or_is_refused_with_400(query: bytes, cookie: str) -> None:
    try:
        check(query, cookie=cookie, last_event_id=cookie)
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017 (either outcome is right)


def test_parameters__more_than_a_thousand__400() -> None:
    assert refused(b"&".join([b"a=1"] * 1_001)).status == 400


@pytest.mark.parametrize(
    ("query", "header", "after"),
    [
        ("", None, None),
        ("after=", "", None),
        ("after=a", None, "a"),
        ("last_event_id=b", None, "b"),
        ("lastEventId=c", None, "c"),
        ("after=&lastEventId=c", None, "c"),
        ("lastEventId=c&after=a", None, "a"),
        ("after=a&after=d", None, "d"),
        ("after=a", "h", "h"),
        ("after=a%2Db+c", None, "a-b c"),
    ],
)
def test_after__header_wins_then_the_parameters(query: str, header: str | None, after: str | None) -> None:
    assert check(query, last_event_id=header).after == after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 15),
        ("x", 15),
        ("nan", 15),
        ("1", 5),
        ("-inf", 5),
        ("7.9", 7),
        ("20", 20),
        ("1e9", 300),
        ("inf", 300),
    ],
)
def test_heartbeat__is_clamped(text: str, seconds: int) -> None:
    assert check(f"heartbeat={text}").heartbeat_seconds == seconds


def test_options__only_their_words_count() -> None:
    asked = check("names=type&closeafter=live&on_limit=retry&transient=false")
    plain = check("names=types&closeafter=1&on_limit=wait")
    assert (asked.names_are_types, asked.ends_when_live, asked.takes_refusals_as_stream) == (True, True, True)
    assert (plain.names_are_types, plain.ends_when_live, plain.takes_refusals_as_stream) == (
        False,
        False,
        False,
    )


def test_client__a_uuid_in_any_case__is_read() -> None:
    assert check("client=0197F2A4-5d3b-7c11-9a55-3f1c2f7be0aa").client == UUID(
        "0197f2a4-5d3b-7c11-9a55-3f1c2f7be0aa"
    )
    assert check("").client is None


@pytest.mark.parametrize(
    "text", ["", "x", "0197f2a45d3b7c119a553f1c2f7be0aa", "{0197f2a4-5d3b-7c11-9a55-3f1c2f7be0aa}", "%27%22"]
)
def test_client__that_is_no_uuid__is_named_beside_other_faults(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(f"client={text}&level=loud")
    assert set(refused.value.errors) == {"client", "level"}


def test_parse_query__repetition_and_plus__are_read() -> None:
    assert parse_query(b"topic=a+b&topic=%C3%BC&x") == {"topic": ["a b", "ü"], "x": [""]}
