"""What the middleware keeps off the database, also where no view of ours stands behind it: the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db

UNSTORABLE = ["%00", "a%00b", "%ED%A0%80", "%ed%bf%bf", "%ED%A0%BD%ED%B8%80"]


@pytest.fixture
def staff() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("text", UNSTORABLE)
@pytest.mark.parametrize(
    "query", ["q={}", "username={}", "is_staff__exact={}", "{}=1", "o={}", "_changelist_filters={}"]
)
def test_query_of_the_admin__that_no_database_stores__is_400(staff: Client, query: str, text: str) -> None:
    assert staff.get("/admin/auth/user/?" + query.format(text)).status_code == 400


@pytest.mark.parametrize("text", UNSTORABLE)
def test_form_of_the_admin__that_no_database_stores__is_400(staff: Client, text: str) -> None:
    kind = "application/x-www-form-urlencoded"
    body = f"username={text}&usable_password=false"
    assert staff.post("/admin/auth/user/add/", body, content_type=kind).status_code == 400
    assert Client().post("/admin/login/", body, content_type=kind).status_code == 400


def test_multipart_form__with_nul__is_400(staff: Client) -> None:
    for form in ({"username": "a\0b"}, {"user\0name": "a"}):
        assert staff.post("/admin/auth/user/add/", form).status_code == 400


def test_path_and_cookie__with_nul__are_400(staff: Client) -> None:
    assert staff.get("/admin/auth/user/%00/change/").status_code == 400
    assert Client().get("/admin/", HTTP_COOKIE='sessionid="\\000aaaaaaaaaaaa"').status_code == 400


@pytest.mark.parametrize("debug", [True, False], ids=["development", "production"])
def test_query__with_too_many_parameters__is_400(staff: Client, settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    assert staff.get("/admin/auth/user/?" + "a=1&" * 1_001).status_code == 400


@pytest.mark.parametrize(
    "query", ["q=Gr%C3%BC%C3%9Fe", "q=%F0%9F%98%80", "q=%E9", "q=%ED%9F%BF", "q=%EE%80%80", "q=a+b%20c"]
)
def test_query__that_can_be_stored__passes(staff: Client, query: str) -> None:
    assert staff.get("/admin/auth/user/?" + query).status_code == 200


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "utf-16"])
def test_charset__of_a_query_and_a_form__is_utf_8_whatever_is_declared(staff: Client, charset: str) -> None:
    answer = staff.generic(
        "POST",
        "/admin/auth/user/add/?q=%5Cx00",
        b"username=%5Cx00&usable_password=false&password1=x&password2=x",
        f"application/x-www-form-urlencoded; charset={charset}",
    )
    assert answer.status_code == 200
    assert b"\\x00" in answer.content


def test_errors_outside_the_api__stay_pages(staff: Client) -> None:
    assert staff.get("/no-such-page")["Content-Type"].startswith("text/html")


def test_answers_of_the_api__keep_the_headers_of_the_site() -> None:
    for path in ("/api/v1/notifications", "/api/nothing"):
        answer = Client().get(path)
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert int(answer["Content-Length"]) == len(answer.content)


@pytest.mark.shape("embedded")
def test_api__from_a_page_of_a_listed_origin_alone__may_be_used(settings: Any) -> None:
    origin, path = "https://app.example", "/api/v1/notifications"
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    client = Client()
    assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": origin})
    assert client.options(path, headers=asked).status_code == 401
    settings.NOTIFICATION_HUB = {"cors_origins": (origin,)}
    preflight = client.options(path, headers=asked)
    assert (preflight.status_code, preflight["Access-Control-Allow-Origin"]) == (204, origin)
    assert "PATCH" in preflight["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in preflight["Access-Control-Allow-Headers"]
    for status, made in (
        (401, path),
        (404, "/api/v1/nothing"),
        (400, f"{path}?token=x"),
        (404, "/notifications/x/y"),
    ):
        answer = client.get(made, headers={"Origin": origin})
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (status, origin)
        assert (answer["Access-Control-Allow-Credentials"], "Origin" in answer["Vary"]) == ("true", True)
        assert "ETag" in answer["Access-Control-Expose-Headers"]
    for headers in ({"Origin": "https://evil.example"}, {"Origin": f"{origin}.evil"}, {}):
        answer = client.get(path, headers=headers)
        assert ("Access-Control-Allow-Origin" in answer, "Origin" in answer["Vary"]) == (False, True)
        assert client.options(path, headers={**asked, "Origin": "null", **headers}).status_code == 401
    assert "Access-Control-Allow-Origin" not in client.get("/login/", headers={"Origin": origin})
