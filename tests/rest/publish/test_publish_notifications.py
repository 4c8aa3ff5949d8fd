"""Publishing over HTTP (protocol, section 5): who may send, what is sent to whom, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import Change, Event, Notification, Via
from tests.helpers.api import BAD_ACTIONS, BATCH, PAY, PUBLISH, TYPE, WITHDRAW, Api, draft, post, producer_api
from tests.helpers.factories import make_producer, make_user
from tests.helpers.oracle import assert_converges, listed
from tests.rest.http.test_http_hostile import BODIES

pytestmark = pytest.mark.django_db(transaction=True)
publishing = import_module("notifications.services.publish")  # the package has a function of that name
PATHS = [PUBLISH, BATCH, WITHDRAW]


@pytest.fixture
def ben(transactional_db: None) -> User:
    return make_user("ben")


def state() -> Any:
    """All that a refused request must leave as it was."""
    rows = Notification.objects.order_by("pk").values_list("pk", "event_id", "position", "deleted_at")
    events = Event.objects.order_by("pk").values_list("pk", "withdrawn_at")
    return list(events), list(rows), Change.objects.count()


def titles(user: User) -> list[str]:
    return [item["title"] for item in listed(user.pk).items.values()]


# --- what is sent


def test_publish__every_field__reaches_the_recipient_as_it_was_sent(api: Api, ada: User) -> None:
    soon = (timezone.now() + timedelta(days=1)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    given = {
        "type": TYPE, "title": "Grüße", "body": "two\nlines", "url": "/orders/7/", "topic": "order:7",
        "level": "warning", "actor": "the shop", "data": {"z": 1.0, "a": [1e2, None, "\u2028"]},
        "expires_at": soon, "actions": [PAY],
    }  # fmt: skip
    with assert_converges(ada):
        answer = post(api, PUBLISH, draft(ada) | given | {"deliver_at": None, "collapse_key": "k"})
    assert answer.status == 201
    assert answer.json == {"count": 1, "ids": [str(Notification.objects.get().public_id)]}
    [item] = listed(ada.pk).items.values()
    assert {name: item[name] for name in given} == given
    assert list(item["data"]) == ["z", "a"]
    assert item["id"] == answer.json["ids"][0]
    assert UUID(item["id"]).version == 7
    change = Change.objects.get(inbox_id=ada.pk)
    assert (change.by, change.via) == ("shop (ci)", Via.PRODUCER)


def test_publish__title_alone__takes_the_defaults(api: Api, ada: User) -> None:
    post(api, PUBLISH, draft(ada))
    [item] = listed(ada.pk).items.values()
    assert {item[name] for name in ("body", "url", "topic", "actor")} == {""}
    assert (item["level"], item["actions"], item["data"], item["expires_at"]) == ("info", [], {}, None)


def test_publish__declared_type__has_its_own_level(api: Api, ada: User) -> None:
    post(api, PUBLISH, draft(ada, type="tokens.demo_token.expired", data={"token": "ci"}))
    [item] = listed(ada.pk).items.values()
    assert item["level"] == "error"


def test_publish__to_users_groups_and_everyone__each_active_one_once(api: Api, shop: User) -> None:
    ada, ben, cat = make_user("ada"), make_user("ben"), make_user("cat")
    gone = make_user("gone", is_active=False)
    staff = Group.objects.create(name="staff, of the shop")
    staff.user_set.add(ben, gone, ada)
    Group.objects.create(name="empty")
    for to, wanted in (
        ({"users": ["ben", "ada", "ben"]}, [ben, ada]),
        ({"users": ["gone", "ada"]}, [ada]),
        ({"users": ["gone"]}, []),
        ({"groups": [staff.name]}, [ada, ben]),
        ({"groups": ["empty"]}, []),
        ({"users": ["cat", "ben"], "groups": [staff.name, "empty", staff.name]}, [cat, ben, ada]),
        ({"everyone": True}, [shop, ada, ben, cat]),
        ({"users": ["cat"], "groups": [staff.name], "everyone": True}, [cat, shop, ada, ben]),
        ({"users": ["cat"], "everyone": False}, [cat]),
    ):
        with assert_converges(shop, ada, ben, cat):
            answer = post(api, PUBLISH, draft() | {"to": to})
        assert answer.status == 201, to
        rows = [Notification.objects.get(public_id=public_id) for public_id in answer.json["ids"]]
        assert [row.recipient_id for row in rows] == [user.pk for user in wanted], to
        assert answer.json["count"] == len(wanted)
    assert not Notification.objects.filter(recipient=gone).exists()
    assert Event.objects.count() == 7


def test_publish__unknown_user_or_group__sends_nothing_and_names_them(api: Api, ada: User) -> None:
    Group.objects.create(name="staff")
    before = state()
    to = {"users": ["ada", "nobody", "Ada", "nobody"], "groups": ["staff", "no-group"]}
    answer = post(api, PUBLISH, draft() | {"to": to})
    assert (answer.status, answer.code) == (400, "invalid")
    assert answer.problem["errors"] == {
        "to.users": "there is no user nobody, Ada",
        "to.groups": "there is no group no-group",
    }
    many = post(api, PUBLISH, draft() | {"to": {"users": [f"{number:0100}" for number in range(6_000)]}})
    assert many.problem["errors"]["to.users"].endswith("and 5980 more")
    assert len(many.body) < 10_000
    assert state() == before


def test_publish__scheduled__is_seen_when_it_is_due(api: Api, ada: User) -> None:
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    post(api, PUBLISH, draft(ada, deliver_at=later))
    post(api, PUBLISH, draft(ada, title="now", deliver_at="2020-01-01T00:00:00+01:00"))
    assert titles(ada) == ["now"]


def test_publish__same_collapse_key__replaces(api: Api, ada: User) -> None:
    with assert_converges(ada):
        for number in range(3):
            post(api, PUBLISH, draft(ada, title=str(number), collapse_key="k", topic="t"))
    assert titles(ada) == ["2"]


def test_publish__to_one__costs_a_fixed_number_of_queries(api: Api, ada: User) -> None:
    post(api, PUBLISH, draft(ada))
    with CaptureQueriesContext(connection) as sent:
        post(api, PUBLISH, draft(ada))
    with CaptureQueriesContext(connection) as keyed:
        post(api, PUBLISH, draft(ada), key="k")
    # Token, permission, the user; what is staged; the lock and the three writes in a transaction.
    own, stored, written, ends = 3, 1, 1, 2
    key = 5  # a transaction around it; how long to wait, the key, its answer
    if connection.vendor == "sqlite":
        stored, written, key = 2 + ends, 3, 4
    assert len(sent) == own + stored + 2 + written + ends
    assert len(keyed) - len(sent) == key


def test_batch__of_many__costs_what_two_do(api: Api, ada: User, ben: User) -> None:
    post(api, BATCH, [draft(ada, ben)])
    with CaptureQueriesContext(connection) as two:
        post(api, BATCH, [draft(ada, ben), draft(ada)])
    with CaptureQueriesContext(connection) as many:
        assert post(api, BATCH, [draft(ada), draft(ben), draft(ben, ada)] * 15).status == 201
    assert len(many) == len(two)


def test_batch__sends_all_in_their_order(api: Api, ada: User, ben: User) -> None:
    items = [draft(ada, title="1"), draft(ben, ada, title="2"), draft(ada, title="3")]
    with assert_converges(ada, ben):
        answer = post(api, BATCH, items)
        assert post(api, BATCH, {"items": items}).status == 201
    assert answer.status == 201
    assert [result["count"] for result in answer.json["results"]] == [1, 2, 1]
    assert titles(ada) == ["3", "2", "1"] * 2
    assert titles(ben) == ["2"] * 2
    found = Notification.objects.get(public_id=answer.json["results"][1]["ids"][0])
    assert (found.recipient_id, found.event.title) == (ben.pk, "2")


@pytest.mark.parametrize(
    ("bad", "errors"),
    [
        ({"title": ""}, {"items.1.title"}),
        ({"title": 5, "to": {}}, {"items.1.title", "items.1.to"}),
        ({"to": {"users": ["nobody"]}}, {"items.1.to.users"}),
        ({"nonsense": 1}, {"items.1.nonsense"}),
        ({"url": "javascript:alert(1)"}, {"items.1.url"}),
        (
            {"expires_at": "2020-01-01T00:00:00Z", "deliver_at": "2021-01-01T00:00:00Z"},
            {"items.1.expires_at"},
        ),
    ],
)
def test_batch__one_bad_object__sends_none_and_names_it(
    api: Api, ada: User, bad: dict[str, Any], errors: set[str]
) -> None:
    before = state()
    answer = post(api, BATCH, [draft(ada), draft(ada) | bad, draft(ada)])
    assert (answer.status, set(answer.problem["errors"])) == (400, errors)
    assert state() == before


def test_batch__wrong_size__is_refused(api: Api, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state()
    bodies: list[Any] = [
        [],
        {},
        [draft(ada)] * 1_001,
        [1],
        [[]],
        {"items": []},
        {"items": 1},
        {"items": [], "x": 1},
    ]
    for body in bodies:
        assert post(api, BATCH, body).code == "invalid"
    bad = post(api, BATCH, [draft(ada, title=5, body=5, url=5)] * 1_000)
    assert len(bad.problem["errors"]) == 20
    too_large = post(api, BATCH, [draft(ada), draft(ada, data={"x": "x" * 65_536})])
    assert (too_large.status, too_large.problem["detail"][:22]) == (413, "items.1: A notificatio")
    monkeypatch.setattr(publishing, "MAX_BATCH_RECIPIENTS", 1)
    assert set(post(api, BATCH, [draft(ada)] * 2).problem["errors"]) == {"items"}
    monkeypatch.setattr(publishing, "MAX_DIRECT", 1)
    assert set(post(api, BATCH, [draft(ada), draft() | {"to": {"everyone": True}}]).problem["errors"]) == {
        "items.1.to"
    }
    assert state() == before


# --- to very many


def test_publish__to_more_than_1000__is_a_job_whose_progress_can_be_asked_for(api: Api, shop: User) -> None:
    users = User.objects.bulk_create(User(username=f"user {number:04}") for number in range(1_001))
    assert post(api, PUBLISH, draft(*users[:1_000])).json["count"] == 1_000
    answer = post(api, PUBLISH, draft(*users, title="to all"), key="k")
    assert (answer.status, answer.json["state"], answer.json["total"]) == (202, "queued", 1_001)
    again = post(api, PUBLISH, draft(*users, title="to all"), key="k")
    assert (again.status, again.body, again.headers["Location"]) == (
        202,
        answer.body,
        answer.headers["Location"],
    )
    while services.run_broadcast_chunk():
        pass
    job = api.get(answer.headers["Location"])
    assert (job.status, job.json["state"], job.json["done"]) == (200, "done", 1_001)
    assert listed(users[7].pk).unread_count == 2
    assert producer_api(make_producer("other")).get(answer.headers["Location"]).status == 404
    assert post(api, PUBLISH, draft() | {"to": {"everyone": True}}).status == 202


def test_withdraw__of_a_send_to_very_many__ends_it(
    api: Api, shop: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(publishing, "MAX_DIRECT", 1)
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    users = [make_user() for _ in range(5)]
    answer = post(api, PUBLISH, draft(*users, topic="t"))
    assert services.run_broadcast_chunk()
    with assert_converges(*users):
        assert post(api, WITHDRAW, {"topic": "t", "type": TYPE}).json == {"changed": 2}
        while services.run_broadcast_chunk():
            pass
    assert api.get(answer.headers["Location"]).json["state"] == "cancelled"
    assert [len(listed(user.pk).items) for user in users] == [0] * 5


# --- who may send


def test_session_and_token__of_a_producer__may_send(shop: User, ada: User) -> None:
    root = make_user("root", is_superuser=True)
    for sender in (Api(shop), Api(root), producer_api(shop), producer_api(root)):
        assert post(sender, PUBLISH, draft(ada)).status == 201


@pytest.mark.parametrize("path", PATHS)
def test_sender__without_the_right__is_refused_before_the_body_is_read(
    shop: User, ada: User, path: str
) -> None:
    before = state()
    for sender, status, code in (
        (Api(), 401, "not_authenticated"),
        (Api(token="nhub_" + "x" * 43), 401, "bad_credential"),
        (Api(shop, csrf=False), 403, "csrf_failed"),
        (Api(ada), 403, "forbidden"),
        (producer_api(ada), 403, "forbidden"),
        (
            Api(token=services.create_token(shop, name="r", scopes=["read", "inbox"], expires_at=None).text),
            403,
            "forbidden",
        ),
    ):
        answer = sender.ask("POST", path, body=b"{", content_type="application/json")
        assert (answer.status, answer.code) == (status, code)
    assert state() == before


def test_permission__taken_away__counts_at_once(shop: User, ada: User, api: Api) -> None:
    assert post(api, PUBLISH, draft(ada), key="k").status == 201
    shop.user_permissions.clear()
    answer = post(api, PUBLISH, draft(ada), key="k")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert "notification_hub.add_notification" in answer.problem["detail"]
    group = Group.objects.create(name="producers")
    group.permissions.set(make_producer("other").user_permissions.all())
    shop.groups.add(group)
    assert post(api, PUBLISH, draft(ada)).status == 201


@pytest.mark.parametrize(
    ("limits", "fields", "is_allowed"),
    [
        ({"types": [TYPE]}, {}, True),
        ({"types": ["orders.*"]}, {}, True),
        ({"types": ["orders.order.*", "imports.run.done"]}, {"type": "imports.run.done"}, True),
        ({"types": ["orders.*"]}, {"type": "ordersx.order.shipped"}, False),
        ({"types": ["orders.order.paid"]}, {}, False),
        ({"topics": ["order:7", "order:8"]}, {"topic": "order:8"}, True),
        ({"topics": ["order:7"]}, {"topic": "order:77"}, False),
        ({"topics": ["order:7"]}, {}, False),
        ({"types": ["orders.*"], "topics": ["order:7"]}, {"topic": "order:7"}, True),
        ({"types": ["imports.*"], "topics": ["order:7"]}, {"topic": "order:7"}, False),
    ],
)
def test_token__limited_to_types_and_topics__sends_no_other(
    shop: User, ada: User, limits: dict[str, Any], fields: dict[str, Any], is_allowed: bool
) -> None:
    limited = producer_api(shop, **limits)
    before = state()
    for path, body in ((PUBLISH, draft(ada, **fields)), (BATCH, [draft(ada, **fields)])):
        answer = post(limited, path, body)
        assert answer.status == (201 if is_allowed else 403)
        if not is_allowed:
            assert answer.code == "forbidden"
            assert "type or topic" in answer.problem["detail"]
            assert state() == before


# --- what is refused

BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "title"), ({"title": " "}, "title"), ({"title": "x" * 201}, "title"),
    ({"title": None}, "title"), ({"title": ["x"]}, "title"), ({"body": "x" * 10_001}, "body"),
    ({"body": None}, "body"), ({"body": 1}, "body"), ({"type": ""}, "type"), ({"type": "orders"}, "type"),
    ({"type": "Orders.x"}, "type"), ({"type": 5}, "type"), ({"type": "notification.order.x"}, "type"),
    ({"type": "inbox.x"}, "type"), ({"type": "stream.x"}, "type"), ({"type": "run.text"}, "type"),
    ({"type": "a.b.c.d.e"}, "type"), ({"type": "orders.*"}, "type"), ({"type": "a." + "b" * 100}, "type"),
    ({"topic": "a,b"}, "topic"),
    ({"topic": "a\nb"}, "topic"), ({"topic": "x" * 101}, "topic"), ({"topic": 7}, "topic"),
    ({"level": "fatal"}, "level"), ({"level": ""}, "level"), ({"level": None}, "level"),
    ({"level": []}, "level"), ({"url": "javascript:alert(1)"}, "url"), ({"url": "JaVaScRiPt:x"}, "url"),
    ({"url": "//evil.example"}, "url"), ({"url": "/\\evil.example"}, "url"),
    ({"url": "/\t/evil.example"}, "url"), ({"url": "data:text/html,x"}, "url"), ({"url": "ftp://x"}, "url"),
    ({"url": "orders/7"}, "url"), ({"url": "http://"}, "url"), ({"url": "http://[x"}, "url"),
    ({"url": 1}, "url"), ({"actor": "x" * 255}, "actor"), ({"actor": 5}, "actor"),
    ({"actor": {"id": 1}}, "actor"), *(({"actions": actions}, name) for actions, name in BAD_ACTIONS),
    ({"data": None}, "data"), ({"data": []}, "data"), ({"data": "{}"}, "data"),
    ({"collapse_key": "x" * 201}, "collapse_key"), ({"collapse_key": 1}, "collapse_key"),
    ({"deliver_at": "tomorrow"}, "deliver_at"), ({"deliver_at": "2026-01-01T00:00:00"}, "deliver_at"),
    ({"deliver_at": 1_700_000_000}, "deliver_at"), ({"deliver_at": "2026-02-30T00:00:00Z"}, "deliver_at"),
    ({"deliver_at": "0001-01-01T00:00:00+14:00"}, "deliver_at"),
    ({"expires_at": "9999-12-31T23:59:59-01:00"}, "expires_at"),
    ({"expires_at": "2026-W01-1T00:00:00Z"}, "expires_at"), ({"expires_at": ""}, "expires_at"),
    ({"expires_at": True}, "expires_at"),
    ({"deliver_at": "2999-01-01T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ({"to": None}, "to"), ({"to": []}, "to"), ({"to": {}}, "to"), ({"to": "ada"}, "to"),
    ({"to": {"users": []}}, "to"), ({"to": {"everyone": False}}, "to"),
    ({"to": {"everyone": 1}}, "to.everyone"), ({"to": {"everyone": "true"}}, "to.everyone"),
    ({"to": {"users": "ada"}}, "to.users"), ({"to": {"users": [1]}}, "to.users"),
    ({"to": {"users": [None]}}, "to.users"), ({"to": {"users": ["ada"], "groups": "x"}}, "to.groups"),
    ({"to": {"users": ["ada"], "roles": []}}, "to.roles"), ({"to": {"users": ["x"] * 10_001}}, "to.users"),
    ({"to": {"users": [""]}}, "to.users"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "name"), BAD_FIELDS, ids=lambda value: str(value)[:50])
def test_field__bad__is_named_and_nothing_is_sent(
    api: Api, ada: User, fields: dict[str, Any], name: str
) -> None:
    answer = post(api, PUBLISH, draft(ada) | fields, key="k")
    assert (answer.status, answer.code, list(answer.problem["errors"])) == (400, "invalid", [name])
    assert state() == ([], [], 0)
    assert post(api, PUBLISH, draft(ada), key="k").status == 201  # a refused request has no key


@pytest.mark.parametrize("missing", ["to", "type", "title"])
def test_field__missing__is_named(api: Api, ada: User, missing: str) -> None:
    body = draft(ada)
    del body[missing]
    answer = post(api, PUBLISH, body)
    assert (answer.status, answer.problem["errors"]) == (400, {missing: "is required"})


@pytest.mark.parametrize(
    "field",
    ["id", "public_id", "position", "source", "producer", "producer_id", "created_at", "read_at", "replay_of",
     "recipient",
     "recipient_id", "epoch", "withdrawn_at", "category", "unread_count", "__class__"],
)  # fmt: skip
def test_field__that_is_the_hubs_own__cannot_be_set(api: Api, ada: User, field: str) -> None:
    answer = post(api, PUBLISH, draft(ada) | {field: 1})
    assert answer.problem["errors"] == {field: "is not a field of this request"}
    assert state() == ([], [], 0)


@pytest.mark.parametrize("path", PATHS)
def test_body__hostile__is_refused_and_changes_nothing(api: Api, ada: User, path: str) -> None:
    assert post(api, PUBLISH, draft(ada)).status == 201
    before = state()
    for body, what in BODIES:
        answer = api.ask("POST", path, body=body)
        assert (answer.status, answer.code) == (400, "invalid"), what
        assert answer.problem["errors"]
    for content_type in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = api.ask("POST", path, body=json.dumps(draft(ada)).encode(), content_type=content_type)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    limit = 4 * 1_048_576 if path == BATCH else 1_048_576
    assert api.ask("POST", path, body=b"[" + b" " * limit).code == "too_large"
    assert api.ask("POST", path, body=b"[" + b" " * (limit - 1)).code == "invalid"
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        overridden = api.ask(
            method, path, headers={"X-HTTP-Method-Override": "POST"}, body=json.dumps(draft(ada)).encode()
        )
        assert overridden.status == 405
    assert state() == before


@pytest.mark.parametrize(
    "raw",
    [b'{"x": NaN}', b'{"x": 1e400}', b'{"x": 9223372036854775808}', b'{"x": 1, "x": 1}', b'{"x": "\\ud800"}',
     b'{"x": "\\u0000"}',
     b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}"],
)  # fmt: skip
def test_data__that_json_should_not_hold__is_400_on_every_database(api: Api, ada: User, raw: bytes) -> None:
    body = json.dumps(draft(ada)).encode()[:-1] + b', "data": ' + raw + b"}"
    assert api.ask("POST", PUBLISH, body=body).code == "invalid"
    assert state() == ([], [], 0)


def test_notification__over_64_kib__is_413(api: Api, ada: User) -> None:
    answer = post(api, PUBLISH, draft(ada, data={"x": "x" * 65_536}))
    assert (answer.status, answer.code) == (413, "too_large")
    assert state() == ([], [], 0)


def test_registry__strict__refuses_undeclared_types(api: Api, ada: User) -> None:
    with override_settings(NOTIFICATION_HUB={"strict_event_types": True}):
        assert post(api, PUBLISH, draft(ada)).code == "unknown_type"
        assert post(api, BATCH, [draft(ada)]).problem["detail"].startswith("items.0: ")
    assert state() == ([], [], 0)
