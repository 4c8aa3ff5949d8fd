"""The Range dialect of KERIA and SignifyPy clients, at the site's root."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import reverse

from notifications import selectors, services
from tests.helpers.api import Answer, Api
from tests.helpers.factories import make_token, make_user, order_event, send
from tests.helpers.processes import HubProcess

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = "/notifications"


@pytest.fixture
def ids(ada: User) -> list[str]:
    return [str(send(ada, f"No {number}", event=order_event(number))) for number in range(30)]


def shown(answer: Answer) -> list[str]:
    return [note["i"] for note in answer.json]


def signify_range(answer: Answer) -> tuple[int, int, int]:
    """What SignifyPy reads out of the header."""
    span, total = answer.headers["Content-Range"].removeprefix("notes ").split("/")
    start, end = span.split("-")
    return int(start), int(end), int(total)


def test_note__has_the_dialects_fields_and_no_other(api: Api, ada: User) -> None:
    first, second = send(ada, "Grüße"), send(ada)
    services.mark_read(ada, [second])
    row = json.loads(api.get(f"/{first}").body)
    notes = api.get(ROOT).json
    assert notes[0] == {
        "i": str(first),
        "dt": row["created_at"],
        "r": False,
        "a": {"r": "/orders/order/shipped", "d": {"order_id": 7}, "title": "Grüße"},
    }
    assert [note["r"] for note in notes] == [False, True]


@pytest.mark.parametrize(
    ("asked", "query", "status", "content_range", "slices"),
    [
        (None, "", 200, "notes 0-24/30", slice(0, 25)),
        ("notes=0-24", "", 206, "notes 0-24/30", slice(0, 25)),
        ("notes=25-49", "", 206, "notes 25-29/30", slice(25, 30)),
        ("Notes=3-3", "", 206, "notes 3-3/30", slice(3, 4)),
        ("notes=20-", "", 206, "notes 20-29/30", slice(20, 30)),
        ("notes=0-9999999999999999", "", 206, "notes 0-29/30", slice(0, 30)),
        ("notes=0-1", "order=asc", 206, "notes 0-1/30", slice(0, 2)),
        ("notes=0-1", "order=desc", 206, "notes 0-1/30", slice(None, -3, -1)),
        ("notes=30-40", "", 206, "notes 30-0/30", slice(0, 0)),
        ("notes=9999999999999999-9999999999999999", "", 206, "notes 9999999999999999-0/30", slice(0, 0)),
        ("bytes=0-1", "", 200, "notes 0-24/30", slice(0, 25)),
    ],
)  # fmt: skip
def test_range__gives_that_part_and_says_which(
    api: Api, ids: list[str], asked: str | None, query: str, status: int, content_range: str, slices: slice
) -> None:
    answer = api.get(f"{ROOT}?{query}", **({} if asked is None else {"Range": asked}))
    assert (answer.status, answer.headers["Content-Range"]) == (status, content_range)
    assert shown(answer) == ids[slices]
    assert answer.headers["Accept-Ranges"] == "notes"
    assert signify_range(answer)[2] == len(ids)


@pytest.mark.parametrize("headers", [{}, {"Range": "notes=0-24"}, {"Range": "notes=25-49"}])
def test_empty_inbox__has_the_empty_forms(api: Api, headers: dict[str, str]) -> None:
    answer = api.get(ROOT, **headers)
    assert (answer.body, answer.headers["Content-Range"]) == (b"[]", "notes 0-0/0")


def test_range__of_very_many__is_cut(
    api: Api, ada: User, monkeypatch: pytest.MonkeyPatch, ids: list[str]
) -> None:
    monkeypatch.setattr("notifications.rest.keria.MAX_COUNT", 7)
    answer = api.get(ROOT, Range="notes=2-20")
    assert (shown(answer), signify_range(answer)) == (ids[2:9], (2, 8, 30))


def test_range__bad__is_refused_by_name(api: Api) -> None:
    for bad in (
        "notes", "notes=", "notes=-", "notes=-5", "notes=5-4", "notes=0-1,3-4", "notes=0-1, notes=3-4",
        "notes=a-b", "notes=01-2", "notes=٣-٤", "notes =0-1", "notes=0 - 1", "notes=+0-1", "notes=0-1/5",
        "0-24", "", "notes=0-" + "9" * 5_000, "notes=10000000000000000-", "Notes",
    ):  # fmt: skip
        answer = api.get(ROOT, Range=bad)
        assert (answer.status, answer.code, list(answer.problem["errors"])) == (400, "invalid", ["Range"]), (
            bad
        )
    assert list(api.get(f"{ROOT}?order=sideways").problem["errors"]) == ["order"]


def test_put__marks_read_and_again__is_accepted(api: Api, ada: User, ids: list[str]) -> None:
    for body in (b"", b"{}"):
        answer = api.ask("PUT", f"{ROOT}/{ids[0]}", body=body)
        assert (answer.status, answer.body) == (202, b"")
    assert selectors.get_notification(ada.pk, UUID(ids[0])).read_at is not None
    assert services.open_inbox(ada.pk).head == len(ids) + 1


def test_delete__takes_it_off_the_list_once(api: Api, ids: list[str]) -> None:
    answer = api.ask("DELETE", f"{ROOT}/{ids[0]}")
    assert (answer.status, answer.body) == (202, b"")
    assert api.ask("DELETE", f"{ROOT}/{ids[0]}").code == "not_found"
    assert signify_range(api.get(ROOT)) == (0, 24, 29)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_note__unknown_foreign_or_malformed__is_not_found(api: Api, method: str) -> None:
    foreign = send(make_user())
    answers = [
        api.ask(method, f"{ROOT}/{note}")
        for note in (uuid4(), foreign, "x", "%20", "{" + str(foreign) + "}", "é")
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(404, "not_found")}
    assert len({answer.problem["detail"] for answer in answers}) == 1


@pytest.mark.parametrize("body", [b'{"r": true}', b"[]", b"{", b"null", b'"x"'])
def test_put__with_a_body_that_says_anything__changes_nothing(
    api: Api, ada: User, ids: list[str], body: bytes
) -> None:
    answer = api.ask("PUT", f"{ROOT}/{ids[0]}", body=body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert selectors.get_notification(ada.pk, UUID(ids[0])).read_at is None


def test_credentials__count_as_everywhere(ada: User, ids: list[str]) -> None:
    assert Api().get(ROOT).code == "not_authenticated"
    assert Api(ada, csrf=False).ask("PUT", f"{ROOT}/{ids[0]}").code == "csrf_failed"
    reader = Api(token=make_token(ada, "read").text)
    assert reader.get(ROOT).status == 200
    assert reader.ask("PUT", f"{ROOT}/{ids[0]}").code == "forbidden"
    assert Api(token=make_token(ada, "inbox").text).ask("PUT", f"{ROOT}/{ids[0]}").status == 202


def test_other_methods__are_refused(api: Api, ids: list[str]) -> None:
    assert api.ask("POST", ROOT).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert api.ask("PATCH", f"{ROOT}/{ids[0]}").headers["Allow"] == "PUT, DELETE, OPTIONS"


def test_list__asks_the_database_twice(api: Api, ids: list[str], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(4):  # the session, its user, the inbox, the list with its count
        api.get(ROOT, Range="notes=10-20")


@override_settings(NOTIFICATION_HUB={"range_dialect": False})
def test_dialect__switched_off__is_not_there(api: Api, ids: list[str]) -> None:
    answers = [api.get(ROOT), api.ask("PUT", f"{ROOT}/{ids[0]}"), Api().get(ROOT)]
    assert {(answer.status, answer.code) for answer in answers} == {(404, "not_found")}
    assert reverse("notes") == ROOT


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("read=true", [0, 3]),
        ("read=False", [1, 2, 4]),
        ("read=0&order=desc", [4, 2, 1]),
        ("route=/orders/order/shipped", [0, 1, 3]),
        ("route=/orders/order/shipped&read=no", [1]),
        ("route=/imports/run/finished,/none/such", [2, 4]),
        ("route=/orders", []),
        ("route=/orders.order.shipped", []),
        ("categories=imports&level=error", [4]),
    ],
)
def test_filters__read_and_route_as_kerias_do__and_those_of_the_api(
    api: Api, ada: User, query: str, expected: list[int]
) -> None:
    run = order_event(type_name="imports.run.finished")
    sent = [send(ada), send(ada), send(ada, event=run), send(ada), send(ada, event=run, level="error")]
    services.mark_read(ada, [sent[0], sent[3]])
    answer = api.get(f"{ROOT}?{query}", Range="notes=0-1")
    assert shown(answer) == [str(sent[index]) for index in expected[:2]]
    assert signify_range(answer) == (0, max(len(expected[:2]) - 1, 0), len(expected))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("read=", "invalid"), ("read=TRUE", "invalid"), ("read=2", "invalid"), ("route=", "invalid"),
        ("route=orders", "invalid"), ("route=/a/b&types=a.b", "invalid"), ("level=", "invalid"),
        ("tag=x", "unknown_filter"), ("route[]=/a/b", "unknown_filter"),
    ],
)  # fmt: skip
def test_filters__that_are_wrong__are_refused(api: Api, query: str, code: str) -> None:
    answer = api.get(f"{ROOT}?{query}")
    assert (answer.status, answer.code) == (400, code)


def test_stream__with_the_dialect_switched_off__is_not_there(start_hub: Callable[..., HubProcess]) -> None:
    hub = start_hub(env={"HUB_RANGE_DIALECT": "0"})
    with hub.client() as client:
        answer = client.get(f"{ROOT}/stream")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", [f"{ROOT}?order=%00", f"{ROOT}/%00", f"{ROOT}?order=%ED%A0%80"])
def test_text_that_cannot_be_stored__is_a_problem(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.code) == (400, "invalid")
