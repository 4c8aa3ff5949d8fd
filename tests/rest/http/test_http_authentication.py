"""Bearer tokens over REST (protocol, section 2): what they open, what they do not, and how that is said."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.models import Change, Inbox, Notification
from notifications.services.credentials.tokens import bearer_of
from tests.helpers.api import Api
from tests.helpers.factories import SPOILT, make_token, make_user, send, spoil
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "nhub_" + "a" * 43
BAD_CHALLENGE = 'Bearer realm="hub", error="invalid_token"'


def state() -> Any:
    rows = Notification.objects.order_by("pk").values_list("pk", "read_at", "deleted_at", "position")
    return list(Inbox.objects.order_by("pk").values_list()), list(rows), Change.objects.count()


def test_token__reads_and_changes_its_own_inbox__without_csrf(ada: User, public_id: UUID) -> None:
    api = Api(token=make_token(ada, name="ci-deploy").text, csrf=False)
    (listed,) = api.get().json["results"]
    assert listed["id"] == str(public_id)
    with assert_converges(ada):
        assert api.patch(public_id, {"read": True}).status == 200
        assert api.act(action="unread", ids=[str(public_id)]).json["changed"] == 1
        assert api.delete(public_id).status == 204
    changes = Change.objects.order_by("position").values_list("kind", "by", "via")
    assert list(changes)[1:] == [(kind, "ada (ci-deploy)", "api") for kind in ("read", "unread", "deleted")]


def test_session__of_the_same_user__is_still_the_page(ada: User, public_id: UUID) -> None:
    Api(ada).patch(public_id, {"read": True})
    assert Change.objects.order_by("-position").values_list("by", "via")[0] == ("ada", "page")


def test_origin__with_the_longest_names__is_cut_to_what_is_stored(public_id: UUID) -> None:
    user = make_user("u" * 150)
    api = Api(token=make_token(user, name="n" * 100).text)
    assert api.patch(send(user), {"read": True}).status == 200
    assert Change.objects.get(kind="read").by == f"{'u' * 150} ({'n' * 100})"[:254]


def test_token__and_a_session_of_another__the_token_decides(ada: User, public_id: UUID) -> None:
    api = Api(make_user("grace"), token=make_token(ada).text)
    assert api.get(f"/{public_id}").json["id"] == str(public_id)


def test_token__for_a_foreign_notification__404_as_for_none(ada: User, public_id: UUID) -> None:
    before = state()
    api = Api(token=make_token(make_user("grace")).text)
    nobodys = "019a0000-0000-7000-8000-000000000000"
    for method, body in (("GET", b""), ("PATCH", b'{"read": true}'), ("DELETE", b"")):
        foreign = api.ask(method, f"/{public_id}", body=body)
        none = api.ask(method, f"/{nobodys}", body=body)
        assert (foreign.status, foreign.code, foreign.body) == (404, "not_found", none.body)
    outcome = api.act(action="delete", ids=[str(public_id)]).json
    assert (outcome["changed"], outcome["not_found"]) == (0, [str(public_id)])
    assert state()[1:] == before[1:]


@pytest.mark.parametrize("how", SPOILT)
def test_token__spoilt__401_and_never_the_cookie(ada: User, public_id: UUID, how: str) -> None:
    token, text = make_token(make_user("grace"))
    spoil(token, how)
    before = state()
    api = Api(ada, token=text)
    for method, path in (("GET", ""), ("DELETE", f"/{public_id}"), ("OPTIONS", "")):
        answer = api.ask(method, path)
        assert (answer.status, answer.code) == (401, "bad_credential")
        assert answer.headers["WWW-Authenticate"] == BAD_CHALLENGE
    assert state() == before


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("read",), {"PATCH": "inbox", "DELETE": "inbox", "POST": "inbox"}),
        (("inbox",), {"GET": "read", "HEAD": "read", "OPTIONS": "read"}),
        (
            ("publish",),
            {
                "GET": "read",
                "HEAD": "read",
                "OPTIONS": "read",
                "PATCH": "inbox",
                "DELETE": "inbox",
                "POST": "inbox",
            },
        ),
        (("read", "inbox"), {}),
    ],
)
def test_scope__that_is_missing__403_that_names_it(
    ada: User, public_id: UUID, given: tuple[str, ...], missing: dict[str, str]
) -> None:
    before = state()
    api = Api(token=make_token(ada, *given).text)
    for method in ("GET", "HEAD", "OPTIONS", "PATCH", "DELETE", "POST"):
        path = "/actions" if method == "POST" else f"/{public_id}"
        # A body that is refused: with the scope it is a 400 and changes nothing.
        answer = api.ask(method, path, body=b"" if method in ("GET", "HEAD") else b'{"x": 1}')
        if method == "DELETE" and method not in missing:
            continue
        if method not in missing:
            assert answer.status == {"PATCH": 400, "POST": 400, "OPTIONS": 204}.get(method, 200)
            continue
        needed = missing[method]
        assert answer.status == 403
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="hub", error="insufficient_scope", scope="{needed}"'
        )
        if method != "HEAD":
            assert answer.code == "forbidden"
            assert f"scope {needed};" in answer.problem["detail"]
    if "DELETE" in missing:
        assert state() == before


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "bearer\t{text}",
        "Bearer {text} {text}",
        "Bearer {text},Bearer {text}",
        "Bearer {text},Basic YTpi",
        "Basic YTpi, Bearer {text}",
        "Basic YTpi,bearer",
        "Bearer,{text}",
        'Bearer "{text}"',
        "Bearer {text}\x00",
        "Bearer {text}=",
        "Bearer é",
        "Bearer \u2603{text}",
        "Bearer nhub_" + "a" * 100_000,
        "Bearer " + "," * 50_000,
        "Bearer " + " " * 50_000 + "x",
        f"Bearer {UNKNOWN}",
    ],
    ids=range(18),
)
def test_bearer__malformed_repeated_or_unknown__401_and_never_the_cookie(
    ada: User, public_id: UUID, header: str
) -> None:
    before = state()
    text = make_token(ada).text
    answer = Api(ada).ask("DELETE", f"/{public_id}", HTTP_AUTHORIZATION=header.format(text=text))
    assert (answer.status, answer.code) == (401, "bad_credential")
    assert answer.headers["WWW-Authenticate"] == BAD_CHALLENGE
    assert state() == before


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}", "  Bearer {}  "])
def test_bearer__in_any_spelling_that_http_allows__passes(ada: User, form: str) -> None:
    assert Api().get(Authorization=form.format(make_token(ada).text)).status == 200


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Digest", "ApiKey", ""])
def test_token__under_another_scheme__is_no_credential(ada: User, scheme: str) -> None:
    header = f"{scheme} {make_token(ada).text}".strip()
    answer = Api().get(Authorization=header)
    assert (answer.status, answer.code) == (401, "not_authenticated")
    assert Api(ada).get(Authorization=header).status == 200


def test_header__parsed__by_one_rule() -> None:
    assert bearer_of("") is None
    assert bearer_of("Basic bearer") is None
    assert bearer_of("Bearerx y") is None
    assert bearer_of("Bearer x") == "x"
    assert bearer_of("Basic x, bearer y") == ""


@pytest.mark.parametrize("name", ["token", "access_token", "api_key"])
@pytest.mark.parametrize("path", ["", "/counts", "/changes", "/actions"])
def test_credential__in_the_url__is_refused_before_who_asks(ada: User, name: str, path: str) -> None:
    text = make_token(ada).text
    method = "POST" if path == "/actions" else "GET"
    for api in (Api(), Api(ada), Api(token=text)):
        answer = api.ask(method, path, query={name: text})
        assert (answer.status, answer.code) == (400, "invalid")
        assert list(answer.problem["errors"]) == [name]
        assert text not in answer.body.decode()


def test_queries__a_token_costs_one_and_no_write(ada: User, public_id: UUID) -> None:
    api = Api(token=make_token(ada).text)
    api.get()
    with CaptureQueriesContext(connection) as captured:
        etag = api.get().headers["ETag"]
    assert [query["sql"].split()[0] for query in captured] == ["SELECT"] * 3  # token with user, inbox, list
    with CaptureQueriesContext(connection) as captured:
        assert api.get("", None, If_None_Match=etag).status == 304
    assert len(captured) == 2


def test_answer__never_has_the_token(ada: User) -> None:
    text = make_token(ada, "publish").text
    for answer in (Api(token=text).get(), Api(token=text + "x").get()):
        assert text not in answer.body.decode() + str(answer.headers)
