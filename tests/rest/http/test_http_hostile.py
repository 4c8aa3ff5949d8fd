"""What is refused, and how: no input gets a 5xx, every refusal is a problem document, and none changes
anything.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError
from django.urls import get_resolver

from notifications import selectors, services
from notifications.models import Change, Inbox, Notification
from notifications.rest import urls
from tests.helpers.api import CSRF_TOKEN, ROOT, Api
from tests.helpers.factories import make_producer

pytestmark = pytest.mark.django_db(transaction=True)

BODIES: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b"{", "cut off"),
    (b'{"read": true', "cut off in a member"),
    (b'{"read": true}}', "one brace too many"),
    (b'{"read": true} {"read": true}', "two values"),
    (b"{'read': true}", "single quotes"),
    (b'{"read": True}', "Python"),
    (b'{"read": true,}', "trailing comma"),
    (b'{"read": true, "read": true}', "the same key twice"),
    (b'{"read": true, "re\\u0061d": false}', "the same key twice, once escaped"),
    (b'{"read": NaN}', "NaN"),
    (b'{"read": Infinity}', "infinity"),
    (b'{"read": -Infinity}', "minus infinity"),
    (b'{"read": 1e400}', "a number that no double holds"),
    (b'{"read": 9223372036854775808}', "one over signed 64 bit"),
    (b'{"read": ' + b"9" * 5000 + b"}", "very many digits"),
    (b'{"read": "\\ud800"}', "a lone surrogate"),
    (b'{"\\udfff": true}', "a lone surrogate as a key"),
    (b'{"read": "\xed\xa0\x80"}', "a surrogate in bytes"),
    (b'{"read": "\\u0000"}', "NUL, escaped"),
    (b'{"read": "\0"}', "NUL"),
    (b'{"\\u0000": true}', "NUL in a key"),
    (b'{"read": "\xff"}', "not UTF-8"),
    ('{"read": true}'.encode("utf-16"), "UTF-16"),
    (b'{"read": ' + b"[" * 33 + b"]" * 33 + b"}", "nested too deep"),
    (b"[" * 100_000, "nested beyond any stack"),
    (b'{"read": ' * 100_000, "objects nested beyond any stack"),
    (b'{"read": "' + b"x" * 100_000 + b'"}', "a long text"),
    (b"read=true", "a form"),
    (b"<read>true</read>", "XML"),
    (bytes(range(256)), "every byte"),
    (b"[]", "a list"),
    (b"null", "null"),
    (b'"read"', "a text"),
    (b"0", "a number"),
    (b'{"read": true, "__proto__": {}}', "an unknown field"),
    (json.dumps({f"x{number}": 1 for number in range(10_000)}).encode(), "very many unknown fields"),
]


@pytest.fixture
def ada(transactional_db: None) -> User:
    """A user who may also send, so that every endpoint can be tried."""
    return make_producer("ada")


def state() -> Any:
    """All that a refused request must leave as it was."""
    rows = Notification.objects.order_by("pk").values_list("pk", "read_at", "deleted_at", "position")
    return list(Inbox.objects.order_by("pk").values_list()), list(rows), Change.objects.count()


def test_the_table__names_each_method_of_each_path() -> None:
    """Whoever adds an endpoint adds it to the table below."""
    names = {pattern.name for pattern in urls.urlpatterns} - {"events"}  # another application has its GET
    assert names == {
        "list", "actions", "changes", "counts", "notification", "ticket", "job", "publish", "publish_batch",
        "publish_withdraw", "schema", "stream", "streams", "event_types", "event_type",
    }  # fmt: skip


ALLOWED = {
    "": "GET, HEAD, OPTIONS",
    "/actions": "POST, OPTIONS",
    "/changes": "GET, HEAD, OPTIONS",
    "/counts": "GET, HEAD, OPTIONS",
    "/{id}": "GET, PATCH, DELETE, HEAD, OPTIONS",
    "/api/v1/stream/ticket": "POST, OPTIONS",
    "/api/v1/publish": "POST, OPTIONS",
    "/api/v1/publish/batch": "POST, OPTIONS",
    "/api/v1/publish/withdraw": "POST, OPTIONS",
    "/api/v1/publish/jobs/{id}": "GET, DELETE, HEAD, OPTIONS",
    "/api/v1/schema": "GET, HEAD, OPTIONS",
    "/api/v1/event-types": "GET, HEAD, OPTIONS",
    "/api/v1/event-types/security.session.new": "GET, HEAD, OPTIONS",
    "/api/v1/streams": "GET, HEAD, OPTIONS",
    "/api/v1/streams/{id}": "DELETE, OPTIONS",
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X"]
)
def test_method__that_is_not_allowed__is_405_and_names_those_that_are(
    api: Api, public_id: UUID, method: str, path: str
) -> None:
    before = state()
    answer = api.ask(method, path.format(id=public_id))
    if method == "OPTIONS":
        assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", ALLOWED[path])
    elif method in ALLOWED[path].split(", "):
        assert answer.status in (200, 201, 204, 400, *([404] if "jobs" in path or "streams/" in path else []))
    else:
        assert answer.status == 405
        assert method == "HEAD" or answer.code == "method_not_allowed"
        assert answer.headers["Allow"] == ALLOWED[path]
        assert state() == before


@pytest.mark.parametrize("override", ["PATCH", "DELETE", "PUT", "GET"])
def test_method_override__is_no_way_around(api: Api, public_id: UUID, override: str) -> None:
    before = state()
    headers = {"X-HTTP-Method-Override": override, "X-HTTP-Method": override, "X-Method-Override": override}
    for method in ("GET", "POST"):
        answer = api.ask(method, f"/{public_id}", query={"_method": override}, headers=headers)
        assert answer.status == (200 if method == "GET" else 405)
    assert state() == before


@pytest.mark.parametrize(("body", "what"), BODIES, ids=[what for _, what in BODIES])
def test_body__hostile__is_refused_and_changes_nothing(
    api: Api, public_id: UUID, body: bytes, what: str
) -> None:
    before = state()
    for method, path in (("PATCH", f"/{public_id}"), ("POST", "/actions")):
        answer = api.ask(method, path, body=body)
        assert (answer.status, answer.code) == (400, "invalid"), what
        assert answer.problem["errors"]
        assert len(answer.body) < 100_000
    assert state() == before


@pytest.mark.parametrize(
    "content_type",
    [
        "", "text/plain", "application/x-www-form-urlencoded", ("multipart/form-data; "
                                                               "boundary=x"), "multipart/form-data",
        "application/xml", "application/json-patch+json", "application/jsonx", "*/*", "application/*", "json",
        "text/json", "application/json,text/plain", "x" * 9_000, "application/octet-stream", "/", ";",
    ],
)  # fmt: skip
def test_content_type__other_than_json__is_415(api: Api, public_id: UUID, content_type: str) -> None:
    before = state()
    for method, path in (("PATCH", f"/{public_id}"), ("POST", "/actions")):
        answer = api.ask(method, path, body=b'{"read": true}', content_type=content_type)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert state() == before


@pytest.mark.parametrize(
    "content_type",
    [("application/json; "
     "charset=utf-8"), "Application/JSON", "application/json;charset=\"UTF-8\"", "application/json ; a=b"],
)  # fmt: skip
def test_content_type__json_however_it_is_written__is_taken(
    api: Api, public_id: UUID, content_type: str
) -> None:
    answer = api.ask("PATCH", f"/{public_id}", body=b'{"read": true}', content_type=content_type)
    assert answer.status == 200


def padded(size: int) -> bytes:
    """A good body, made as large as this with white space."""
    return b'{"read": true}'.ljust(size)


def test_body__of_the_limit__is_read_and_of_one_byte_more_is_not(api: Api, public_id: UUID) -> None:
    before = state()
    refused = api.ask("PATCH", f"/{public_id}", body=padded(1_048_577))
    assert (refused.status, refused.code) == (413, "too_large")
    assert state() == before
    assert api.ask("PATCH", f"/{public_id}", body=padded(1_048_576)).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/changes"), ("GET", "/{id}"), ("DELETE", "/{id}")]
)
def test_body__where_none_belongs__is_not_read(api: Api, public_id: UUID, method: str, path: str) -> None:
    answer = api.ask(method, path.format(id=public_id), body=b"\xff{", content_type="application/nonsense")
    assert answer.status in (200, 204)


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/*;q=nan", ";;;", "*/*;q=0", "x" * 5000, ""]
)
def test_accept__is_not_asked__for_there_is_one_representation(api: Api, accept: str) -> None:
    answer = api.get(Accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/notifications/", "/api/v1/notifications/changes/", "/api/v1/notifications/actions/",
        "/api/v1/", "/api/v1", "/api/", "/api/v2/notifications", "/api/v1/Notifications",
        "/api/v1//notifications", "/api/v1/notifications//counts", "/api/v1/notifications/../notifications",
        "/api/v1/notifications/counts%20", "/api/v1/notifications%0A", "/api/v1/notifications/%FF",
        "/api/v1/notifications;x=1", "/api/" + "x" * 9_000,
    ],
)  # fmt: skip
def test_path__that_is_not_served__is_404_and_never_a_redirect(api: Api, settings: Any, path: str) -> None:
    for settings.DEBUG in (True, False):
        for method in ("GET", "POST", "DELETE"):
            answer = api.ask(method, path, body=b"{}")
            assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("debug", [True, False], ids=["development", "production"])
@pytest.mark.parametrize(
    "host", ["evil.example", "", "a b", "testserver:port", "testserver,evil.example", "\xff", "[::1"]
)
def test_host__that_is_not_served__is_400(api: Api, settings: Any, host: str, debug: bool) -> None:
    settings.DEBUG = debug
    answer = api.ask("GET", HTTP_HOST=host)
    assert (answer.status, answer.code) == (400, "bad_request")


def test_failure__that_nobody_foresaw__is_a_problem_without_a_word_of_its_cause(
    api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(selectors, "list_page", fail)
    for settings.DEBUG in (True, False):
        answer = api.get()
        assert (answer.status, answer.code) == (500, "internal_error")
        assert b"secret" not in answer.body


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("canceling statement due to lock timeout"),
        # Whoever is deleted after they were found shows at the commit.
        IntegrityError("insert or update on table violates foreign key constraint"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_database__that_cannot_just_now__is_503_and_says_when_to_come_back(
    api: Api, public_id: UUID, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(services, "delete", fail)
    answer = api.delete(public_id)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["Retry-After"].isdigit()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_COOKIE", 'sessionid="\\000aaaaaaaaaaaa"'),
        ("HTTP_COOKIE", "sessionid=" + "x" * 9_000),
        ("HTTP_COOKIE", "sessionid=\xff\xfe"),
        ("HTTP_COOKIE", ";=;;=\x01;a"),
        ("HTTP_AUTHORIZATION", "Bearer \xff"),
        ("HTTP_AUTHORIZATION", "\xff"),
        ("HTTP_AUTHORIZATION", "Basic " + "x" * 9_000),
        ("HTTP_IF_NONE_MATCH", "W/" * 5_000),
        ("HTTP_ACCEPT_LANGUAGE", "x" * 9_000),
        ("HTTP_RANGE", "notes=0-24"),
        ("HTTP_ORIGIN", "null"),
        ("HTTP_X_FORWARDED_HOST", "evil.example"),
        ("CONTENT_LENGTH", "abc"),
        ("CONTENT_LENGTH", "-1"),
        ("CONTENT_TYPE", "text/plain; charset=unicode_escape"),
        ("CONTENT_TYPE", "text/plain; charset=utf-7"),
    ],
)
def test_header__hostile__is_refused_or_ignored(api: Api, name: str, value: str) -> None:
    environ: Any = {name: value}
    answer = api.ask("GET", **environ)
    assert answer.status in (200, 400, 401)


def test_nobody__is_told_how_to_log_in() -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/changes"),
        ("POST", "/actions"),
        ("DELETE", "/" + str(UUID(int=1))),
    ):
        answer = Api().ask(method, path, body=b"{}")
        assert (answer.status, answer.code) == (401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hub"'


@pytest.mark.parametrize(
    "given", ["Bearer x", "bearer x", "BEARER  x", "Bearer", "Bearer ", " Bearer x", "Bearer\tx"]
)
def test_bearer__unknown__never_falls_back_to_the_cookie(api: Api, public_id: UUID, given: str) -> None:
    before = state()
    for method, path in (("GET", ""), ("DELETE", f"/{public_id}")):
        answer = api.ask(method, path, headers={"Authorization": given})
        assert (answer.status, answer.code) == (401, "bad_credential")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hub", error="invalid_token"'
    assert state() == before


def test_another_scheme__of_a_proxy_before_the_site__leaves_the_session_alone(api: Api) -> None:
    assert api.get(Authorization="Basic YTpi").status == 200


def test_user__who_was_deactivated_or_logged_out__is_nobody(api: Api, ada: User) -> None:
    assert api.get().status == 200
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert api.get().status == 401
    User.objects.filter(pk=ada.pk).update(is_active=True)
    api.client.logout()
    assert api.get().status == 401


def test_csrf__missing_or_wrong__is_403_and_changes_nothing(ada: User, public_id: UUID) -> None:
    before = state()
    bare, wrong = Api(ada, csrf=False), Api(ada)
    wrong.client.cookies["csrftoken"] = "b" * 32
    foreign = Api(ada)
    for method, path in (("PATCH", f"/{public_id}"), ("DELETE", f"/{public_id}"), ("POST", "/actions")):
        for api, origin in ((bare, ""), (wrong, ""), (foreign, "https://evil.example")):
            headers = {"Origin": origin} if origin else {}
            answer = api.ask(method, path, body=b'{"read": true}', headers=headers)
            assert (answer.status, answer.code) == (403, "csrf_failed")
    assert state() == before
    assert bare.get().status == 200


def test_csrf__as_a_form_field__does_not_count(ada: User, public_id: UUID) -> None:
    api = Api(ada, csrf=False)
    api.client.cookies["csrftoken"] = CSRF_TOKEN
    answer = api.ask(
        "POST",
        "/actions",
        body=f"csrfmiddlewaretoken={CSRF_TOKEN}&action=read".encode(),
        content_type="application/x-www-form-urlencoded",
    )
    assert (answer.status, answer.code) == (403, "csrf_failed")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\n\xff"),
        ("application/x-www-form-urlencoded", b"a=1&" * 2_000),
        ("application/x-www-form-urlencoded", b"a" * 3_000_000),
        ("application/json", b"{" * 1_000),
    ],
    ids=["no boundary", "cut off", "many fields", "large", "no JSON"],
)
def test_body__without_the_csrf_token__is_not_read(ada: User, content_type: str, body: bytes) -> None:
    answer = Api(ada, csrf=False).ask("POST", "/actions", body=body, content_type=content_type)
    assert (answer.status, answer.code) == (403, "csrf_failed")


def test_root__is_where_the_contract_says() -> None:
    assert get_resolver().resolve(ROOT).url_name == "list"
