"""Archiving: out of the list, read, and whole in the log; each may be said twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.models import Change
from tests.helpers.api import Api
from tests.helpers.factories import send
from tests.helpers.oracle import assert_converges, changes_since

pytestmark = pytest.mark.django_db(transaction=True)


def listed(api: Api, **params: str) -> list[str]:
    return [item["id"] for item in api.get("", params).json["results"]]


def changes(user: User) -> list[str]:
    return list(Change.objects.filter(inbox_id=user.pk).order_by("position").values_list("kind", flat=True))


def test_archive__reads_and_leaves_the_list_by_one_change(api: Api, ada: User) -> None:
    kept, archived = str(send(ada)), str(send(ada))
    with assert_converges(ada):
        answer = api.patch(archived, {"archived": True})
    assert answer.status == 200
    assert answer.body == api.get(f"/{archived}").body
    assert answer.json["read_at"] == answer.json["archived_at"] is not None
    assert changes(ada) == ["created", "created", "archived"]
    assert listed(api) == listed(api, archived="false") == [kept]
    assert listed(api, archived="true") == [archived]
    assert listed(api, archived="true", unread="true") == []
    assert api.get("").json["unread_count"] == api.get("/counts").json["unread"] == 1
    [change] = changes_since(ada.pk, 2)
    assert change["change"] == "notification.archived"
    assert change["notification"] == answer.json


def test_archive__what_was_read_before__keeps_its_time_in_every_change(api: Api, ada: User) -> None:
    one, other = send(ada), send(ada)
    services.mark_read(ada, [one])
    services.mark_all_read(ada)
    times = {public_id: api.get(f"/{public_id}").json["read_at"] for public_id in (one, other)}
    with assert_converges(ada):
        services.archive(ada, [one, other])
        services.unarchive(ada, [one, other])
    assert changes(ada)[-4:] == ["archived"] * 2 + ["unarchived"] * 2
    for change in changes_since(ada.pk, 4):
        assert change["notification"]["read_at"] == times[UUID(change["notification"]["id"])]


@pytest.mark.parametrize(
    ("before", "body", "kind"),
    [
        ({}, {"archived": False}, None),
        ({}, {"read": True, "archived": True}, "archived"),
        ({}, {"read": True, "archived": False}, "read"),
        ({"archived": True}, {"archived": True}, None),
        ({"archived": True}, {"read": True}, None),
        ({"archived": True}, {"read": True, "archived": True}, None),
        ({"archived": True}, {"archived": False}, "unarchived"),
        ({"archived": True}, {"read": True, "archived": False}, "unarchived"),
        ({"archived": True}, {"read": False}, "unarchived"),
        ({"archived": True}, {"read": False, "archived": False}, "unarchived"),
    ],
)
def test_patch__makes_at_most_one_change(
    api: Api, ada: User, before: dict[str, bool], body: dict[str, bool], kind: str | None
) -> None:
    public_id = send(ada)
    if before:
        api.patch(public_id, before)
    known = changes(ada)
    with assert_converges(ada):
        answer = api.patch(public_id, body)
    assert changes(ada) == known + ([kind] if kind else [])
    for name, wanted in body.items():
        assert (answer.json[f"{name}_at"] is not None) is wanted


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"read": False, "archived": True}, "archived"),
        ({"archived": "yes"}, "archived"),
        ({"archived": None}, "archived"),
        ({}, "read"),
    ],
)
def test_patch__what_cannot_be__is_refused_and_changes_nothing(
    api: Api, ada: User, body: Any, field: str
) -> None:
    public_id = send(ada)
    answer = api.patch(public_id, body)
    assert answer.status == 400
    assert list(answer.json["errors"]) == [field]
    assert changes(ada) == ["created"]


def test_actions__archive_and_unarchive_many(api: Api, ada: User) -> None:
    ids = [str(send(ada)) for _ in range(3)]
    with assert_converges(ada):
        answer = api.act(action="archive", ids=ids[:2])
    assert (answer.json["changed"], answer.json["unread_count"]) == (2, 1)
    assert api.act(action="archive", ids=ids).json["changed"] == 1
    assert listed(api) == []
    with assert_converges(ada):
        assert api.act(action="unarchive", ids=ids).json["changed"] == 3
    assert listed(api) == ids[::-1]
    assert api.get("").json["unread_count"] == 0


def test_archived__deleted_replaced_and_read_all_as_any_other(api: Api, ada: User) -> None:
    archived = send(ada, collapse_key="k")
    other = send(ada)
    services.archive(ada, [archived])
    with assert_converges(ada):
        services.mark_all_read(ada)
        send(ada, collapse_key="k")
        services.archive(ada, [other])
        services.delete(ada, [other])
    assert changes(ada)[3:] == ["read_all", "deleted", "created", "archived", "deleted"]
    assert listed(api, archived="true") == []
