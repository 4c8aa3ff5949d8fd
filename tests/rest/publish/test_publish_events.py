"""`POST /events` (protocol, section 5): transient events by producers, to whoever has a stream open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.models import Event
from notifications.signals import event_emitted
from tests.helpers.api import Api, post, producer_api
from tests.helpers.factories import make_token, make_user
from tests.helpers.processes import HubProcess

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = "/api/v1/events"


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def take(**event: Any) -> None:
        found.append(event)
        event["receipt"].add_part()
        event["receipt"].part_taken()

    monkeypatch.setattr(event_emitted, "send_robust", take)
    return found


def body(**fields: Any) -> dict[str, Any]:
    return {"to": {"users": ["ada"]}, "type": "imports.run.progress", "data": {"done": 3}} | fields


@pytest.mark.system
def test_event__reaches_the_open_stream_and_is_stored_nowhere(
    live_hub: HubProcess, shop: User, ada: User
) -> None:
    stream = live_hub.stream(ada)
    stream.expect("stream.live")
    headers = {"Authorization": f"Bearer {make_token(shop, 'publish').text}"}
    answer = live_hub.client().post(EVENTS, json=body(topic="run:7"), headers=headers)
    frame = stream.expect("imports.run.progress")
    assert (answer.status_code, answer.json()) == (202, {"count": 1, "id": frame.json["id"]})
    assert UUID(frame.json["id"]).version == 7
    assert (frame.json["topic"], frame.json["data"], frame.id) == ("run:7", {"done": 3}, None)
    assert not Event.objects.exists()
    refused = live_hub.client().put(EVENTS, json=body(), headers=headers)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")


def test_event__goes_to_each_active_recipient_once(
    shop: User, ada: User, emitted: list[dict[str, Any]]
) -> None:
    make_user("gone", is_active=False)
    api = producer_api(shop)
    with CaptureQueriesContext(connection) as captured:
        answer = post(api, EVENTS, body(to={"users": ["ada", "gone", "ada"]}))
    assert (answer.status, answer.json) == (202, {"count": 1, "id": str(emitted[0]["event_id"])})
    assert [event["user_ids"] for event in emitted] == [[ada.pk]]
    assert len(captured) == 3  # token, permission, users


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"to": {"users": ["nobody"]}}, "to.users"), ({"to": {}}, "to"), ({"type": "orders"}, "type"),
        ({"type": 1}, "type"), ({"type": "stream.x"}, "type"), ({"type": "run.text"}, "type"),
        ({"topic": "a,b"}, "topic"),
        ({"topic": 1}, "topic"), ({"data": []}, "data"), ({"title": "x"}, "title"),
        ({"level": "info"}, "level"), ({"collapse_key": "x"}, "collapse_key"),
    ],
)  # fmt: skip
def test_event__bad__is_named_and_shown_to_nobody(
    shop: User, ada: User, emitted: list[dict[str, Any]], fields: dict[str, Any], name: str
) -> None:
    answer = post(producer_api(shop), EVENTS, body(**fields))
    assert (answer.status, answer.code, list(answer.problem["errors"])) == (400, "invalid", [name])
    assert emitted == []


def test_event__too_large_or_to_too_many__is_refused(
    shop: User, ada: User, emitted: list[dict[str, Any]]
) -> None:
    room = 16_384 - len('{"x":""}')
    assert post(producer_api(shop), EVENTS, body(data={"x": "x" * room})).status == 202
    assert len(emitted) == 1
    assert post(producer_api(shop), EVENTS, body(data={"x": "x" * (room + 1)})).code == "too_large"
    User.objects.bulk_create(User(username=f"user {number}") for number in range(1_001))
    answer = post(producer_api(shop), EVENTS, body(to={"everyone": True}))
    assert list(answer.problem["errors"]) == ["to"]
    assert len(emitted) == 1


def test_event__by_whoever_may_not_send__is_refused(
    shop: User, ada: User, emitted: list[dict[str, Any]]
) -> None:
    for api, status in (
        (Api(), 401),
        (Api(ada), 403),
        (producer_api(ada), 403),
        (Api(shop, csrf=False), 403),
    ):
        assert post(api, EVENTS, body()).status == status
    assert post(producer_api(shop, types=["orders.*"]), EVENTS, body()).code == "forbidden"
    assert emitted == []
    assert post(producer_api(shop, types=["imports.*"]), EVENTS, body()).status == 202
    assert post(Api(shop), EVENTS, body()).status == 202
