"""What a user does with notifications: read, unread, delete, mark all read; each may be said twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.models import Change
from tests.helpers.api import Answer, Api
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)


def head(user: User) -> int:
    return services.open_inbox(user.pk).head


def cursor(user: User) -> str:
    return str(services.open_inbox(user.pk).cursor)


def test_patch__read__answers_the_object_as_it_is_then(api: Api, ada: User) -> None:
    public_id = send(ada)
    with assert_converges(ada):
        answer = api.patch(public_id, {"read": True})
    assert answer.status == 200
    assert answer.body == api.get(f"/{public_id}").body
    read = Change.objects.get(inbox_id=ada.pk, kind="read")
    assert answer.json["read_at"] == read.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert answer.json["position"] == 1


def test_patch__unread__answers_the_object_as_it_was_sent(api: Api, ada: User) -> None:
    public_id = send(ada)
    before = api.get(f"/{public_id}").body
    api.patch(public_id, {"read": True})
    with assert_converges(ada):
        assert api.patch(public_id, {"read": False}).body == before


@pytest.mark.parametrize("read", [True, False])
def test_patch__again__changes_nothing_and_takes_no_position(api: Api, ada: User, read: bool) -> None:
    public_id = send(ada)
    first = api.patch(public_id, {"read": read})
    position = head(ada)
    again = api.patch(public_id, {"read": read})
    assert (again.status, again.body) == (200, first.body)
    assert head(ada) == position


def test_id__in_capital_letters__is_the_same_id(api: Api, ada: User) -> None:
    public_id = send(ada)
    assert api.get(f"/{str(public_id).upper()}").body == api.get(f"/{public_id}").body
    assert api.act(action="read", ids=[str(public_id).upper()]).json["changed"] == 1
    assert api.ask("DELETE", f"/notifications/{str(public_id).upper()}").status == 202


def test_delete__takes_it_off_the_list_and_is_404_again(api: Api, ada: User) -> None:
    public_id = send(ada)
    with assert_converges(ada):
        answer = api.delete(public_id)
    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Type" not in answer.headers
    position = head(ada)
    for again in (
        api.delete(public_id),
        api.get(f"/{public_id}"),
        api.patch(public_id, {"read": True}),
    ):
        assert (again.status, again.code) == (404, "not_found")
    assert head(ada) == position


def test_another_users__is_404_and_the_same_as_one_that_does_not_exist(api: Api, ada: User) -> None:
    grace = make_user("grace")
    theirs = send(grace)
    asks: list[Callable[[UUID], Answer]] = [
        lambda public_id: api.get(f"/{public_id}"),
        lambda public_id: api.patch(public_id, {"read": True}),
        api.delete,
    ]
    for ask in asks:
        foreign, absent = ask(theirs), ask(uuid4())
        assert foreign.status == 404
        assert foreign.body == absent.body
    assert Api(grace).get("/counts").json["unread"] == 1
    assert head(grace) == 1


@pytest.mark.parametrize(
    "path",
    ["/x", "/1", "/%00", "/%ED%A0%80", "/0197", "/" + "0" * 32, "/{{{id}}}", "/{id}/", "/{id}/read", "/{id}x",
     "/" + "9" * 9000],
)  # fmt: skip
def test_path__that_is_no_id__is_404(api: Api, ada: User, path: str) -> None:
    public_id = send(ada)
    answer = api.get(path.format(id=public_id))
    # NUL is 400 wherever it stands.
    assert answer.code == ("invalid" if "%00" in path else "not_found")


def test_actions__read_unread_and_delete__do_what_they_say(api: Api, ada: User) -> None:
    ids = [str(send(ada)) for _ in range(3)]
    for action, unread_count in (("read", 1), ("unread", 3), ("delete", 1)):
        with assert_converges(ada):
            answer = api.act(action=action, ids=ids[:2])
        assert answer.status == 200
        assert answer.json == {
            "changed": 2,
            "not_found": [],
            "cursor": cursor(ada),
            "unread_count": unread_count,
        }


@pytest.mark.parametrize("action", ["read", "unread", "delete"])
def test_actions__again__change_nothing_and_take_no_position(api: Api, ada: User, action: str) -> None:
    ids = [str(send(ada))]
    api.act(action=action, ids=ids)
    position = head(ada)
    again = api.act(action=action, ids=ids).json
    assert again["changed"] == 0
    assert again["not_found"] == (ids if action == "delete" else [])
    assert head(ada) == position


def test_actions__with_foreign_deleted_and_unknown_ids__name_them_and_do_the_rest(
    api: Api, ada: User
) -> None:
    grace = make_user("grace")
    mine, deleted, theirs, unknown = send(ada), send(ada), send(grace), uuid4()
    services.delete(ada, [deleted])
    asked = [theirs, mine, unknown, deleted, mine, theirs]
    answer = api.act(action="read", ids=[str(public_id) for public_id in asked]).json
    assert answer["changed"] == 1
    assert answer["not_found"] == [str(theirs), str(unknown), str(deleted)]
    assert Api(grace).get("/counts").json["unread"] == 1


def test_actions__take_a_thousand_ids_and_not_one_more(api: Api, ada: User) -> None:
    ids = [str(send(ada)), *(str(UUID(int=number)) for number in range(999))]
    answer = api.act(action="read", ids=ids).json
    assert (answer["changed"], len(answer["not_found"])) == (1, 999)
    refused = api.act(action="unread", ids=[*ids, str(uuid4())])
    assert (refused.status, list(refused.problem["errors"])) == (400, ["ids"])
    assert api.get("/counts").json["unread"] == 0


def test_actions__with_no_ids__change_nothing(api: Api, ada: User) -> None:
    send(ada)
    assert api.act(action="delete", ids=[]).json == {
        "changed": 0, "not_found": [], "cursor": cursor(ada), "unread_count": 1,
    }  # fmt: skip


def test_mark_all_read__as_of_a_cursor__leaves_later_arrivals_unread(api: Api, ada: User) -> None:
    for _ in range(3):
        send(ada)
    seen = api.get().json["cursor"]
    later = send(ada)
    with assert_converges(ada):
        answer = api.act(action="read", up_to=seen).json
    assert answer == {"changed": 3, "not_found": [], "cursor": cursor(ada), "unread_count": 1}
    assert [item["id"] for item in api.get(params={"unread": "true"}).json["results"]] == [str(later)]
    position = head(ada)
    assert api.act(action="read", up_to=seen).json["changed"] == 0
    assert head(ada) == position


@pytest.mark.parametrize(("category", "left"), [("imports", 1), ("orders", 1), ("nothing", 2), (None, 0)])
def test_mark_all_read__of_a_category__leaves_the_others(
    api: Api, ada: User, category: str | None, left: int
) -> None:
    send(ada)
    send(ada, event=order_event(type_name="imports.run.finished"))
    with assert_converges(ada):
        answer = api.act(action="read", up_to=cursor(ada), category=category).json
    assert answer["unread_count"] == left


def test_mark_all_read__as_of_a_cursor_of_another_inbox_or_ahead__is_refused(api: Api, ada: User) -> None:
    send(ada)
    grace = make_user("grace")
    for up_to, code in (
        (cursor(grace), "cursor_epoch"),
        (cursor(ada).replace("-1", "-2"), "cursor_ahead"),
    ):
        answer = api.act(action="read", up_to=up_to)
        assert (answer.status, answer.code, answer.problem["cursor"]) == (410, code, cursor(ada))
    assert api.get("/counts").json["unread"] == 1


GOOD_ID = "0197a000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "burn", "ids": []}, "action"),
        ({"action": None, "ids": []}, "action"),
        ({"action": ["read"], "ids": []}, "action"),
        ({"action": {"read": 1}, "ids": []}, "action"),
        ({"action": "READ", "ids": []}, "action"),
        ({"action": "read"}, "ids"),
        ({"action": "read", "ids": [], "up_to": "aaaaaaaa-0"}, "ids"),
        ({"action": "read", "ids": None}, "ids"),
        ({"action": "read", "ids": GOOD_ID}, "ids"),
        ({"action": "read", "ids": {GOOD_ID: 1}}, "ids"),
        ({"action": "read", "ids": [GOOD_ID, 7]}, "ids"),
        ({"action": "read", "ids": [None]}, "ids"),
        ({"action": "read", "ids": [[GOOD_ID]]}, "ids"),
        ({"action": "read", "ids": ["x"]}, "ids"),
        ({"action": "read", "ids": [""]}, "ids"),
        ({"action": "read", "ids": [GOOD_ID + "\n"]}, "ids"),
        ({"action": "read", "ids": ["{" + GOOD_ID + "}"]}, "ids"),
        ({"action": "read", "ids": ["urn:uuid:" + GOOD_ID]}, "ids"),
        ({"action": "read", "ids": [GOOD_ID.replace("-", "")]}, "ids"),
        ({"action": "read", "ids": ["٠" + GOOD_ID[1:]]}, "ids"),
        ({"action": "read", "ids": [], "category": "orders"}, "category"),
        ({"action": "delete", "up_to": "aaaaaaaa-0"}, "up_to"),
        ({"action": "read", "up_to": "aaaaaaaa-0", "category": "Orders"}, "category"),
        ({"action": "read", "up_to": "aaaaaaaa-0", "category": ""}, "category"),
        ({"action": "read", "up_to": "aaaaaaaa-0", "category": 7}, "category"),
        ({"action": "read", "up_to": "aaaaaaaa-0", "category": "a" * 101}, "category"),
        ({"action": "read", "ids": [], "force": True}, "force"),
        ([], "body"),
        ("read", "body"),
        (None, "body"),
        (7, "body"),
    ],
)
def test_actions__bad__are_refused_with_the_field_named(api: Api, ada: User, body: Any, field: str) -> None:
    send(ada)
    answer = api.send("POST", "/actions", body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert list(answer.problem["errors"]) == [field]
    assert head(ada) == 1


@pytest.mark.parametrize("up_to", [None, 7, "", "7", "earliest", ["aaaaaaaa-0"], "aaaaaaaa-00"], ids=repr)
def test_actions__up_to_what_is_no_cursor__are_refused(api: Api, up_to: Any) -> None:
    answer = api.act(action="read", up_to=up_to)
    assert (answer.status, answer.code) == (400, "cursor_malformed")


@pytest.mark.parametrize(
    "body",
    [{}, {"read": 1}, {"read": "true"}, {"read": None}, {"read": [True]}, [True], True, None],
    ids=repr,
)
def test_patch__bad__is_refused_and_changes_nothing(api: Api, ada: User, body: Any) -> None:
    public_id = send(ada)
    answer = api.patch(public_id, body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert head(ada) == 1


def test_patch__with_an_unknown_field__names_it(api: Api, ada: User) -> None:
    answer = api.patch(send(ada), {"read": True, "title": "new", "x" * 5_000: 1})
    assert list(answer.problem["errors"]) == ["title", "x" * 100]
    assert head(ada) == 1


def test_each_change__records_who_by_which_door_and_from_where(api: Api, ada: User) -> None:
    public_id = send(ada)
    api.patch(public_id, {"read": True})
    api.act(action="unread", ids=[str(public_id)])
    api.act(action="read", up_to=cursor(ada))
    # What a client claims to be forwarded for counts for nothing.
    api.ask("DELETE", f"/{public_id}", headers={"X-Forwarded-For": "203.0.113.9"})
    made = Change.objects.filter(inbox_id=ada.pk, position__gt=1).order_by("position")
    assert [(change.kind, change.by, change.via, change.address) for change in made] == [
        (kind, "ada", "page", "127.0.0.1") for kind in ("read", "unread", "read_all", "deleted")
    ]


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", None),
        ("unix:", None),
    ],
)
def test_address__of_any_peer__can_be_stored(api: Api, ada: User, peer: str, address: str | None) -> None:
    public_id = send(ada)
    assert api.ask("DELETE", f"/{public_id}", REMOTE_ADDR=peer).status == 204
    assert Change.objects.get(inbox_id=ada.pk, kind="deleted").address == address
