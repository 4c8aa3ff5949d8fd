"""The list: what it shows, in which parts, and when it need not be sent again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils.dateparse import parse_datetime

from notifications import payloads, selectors, services
from notifications.event_types import UntypedEvent
from notifications.models import Event, Notification
from tests.helpers.api import Api
from tests.helpers.factories import make_user, order_event, send

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = [
    "id", "position", "type", "category", "topic", "level", "title", "body", "url", "actor", "actions",
    "data", "created_at",
    "read_at", "archived_at", "expires_at", "replay_of",
]  # fmt: skip


def positions(answer: Any) -> list[int]:
    return [item["position"] for item in answer.json["results"]]


def test_list__of_a_user_without_inbox__is_empty_and_has_a_cursor(api: Api, ada: User) -> None:
    answer = api.get()
    inbox = services.open_inbox(ada.pk)
    assert answer.status == 200
    assert answer.json == {
        "results": [],
        "next": None,
        "cursor": f"{inbox.epoch}-0",
        "unread_count": 0,
        "inbox": payloads.inbox_name(ada.pk),
        "filters": {},
    }


def test_list__shows_the_whole_object_as_it_was_sent(api: Api, ada: User) -> None:
    event = UntypedEvent(
        type_name="orders.order.shipped", fields={"z": 1.50, "a": {"é": 10**18}, "m": [None, True]}
    )
    public_id = services.notify(
        ada,
        event,
        title="Grüße <b>",
        body="a\nb",
        url="/orders/7/",
        topic="order:7",
        level="warning",
        actor="grace",
        actions=[
            {"label": "Pay", "url": "/pay/7/", "method": "POST"},
            {"label": "Track", "url": "https://a.example/7"},
        ],
    )
    (item,) = api.get().json["results"]
    assert list(item) == FIELDS
    assert json.dumps(item["data"]) == json.dumps(event.fields)
    assert parse_datetime(item.pop("created_at")) is not None
    del item["data"]
    assert item == {
        "id": str(public_id), "position": 1, "type": "orders.order.shipped", "category": "orders",
        "topic": "order:7", "level": "warning", "title": "Grüße <b>", "body": "a\nb", "url": "/orders/7/",
        "actor": "grace",
        "actions": [
            {"label": "Pay", "url": "/pay/7/", "method": "POST"},
            {"label": "Track", "url": "https://a.example/7", "method": "GET"},
        ],
        "read_at": None, "archived_at": None, "expires_at": None, "replay_of": None,
    }  # fmt: skip


def test_one__has_the_same_bytes_as_in_the_list(api: Api, ada: User) -> None:
    public_id = send(ada)
    one = api.get(f"/{public_id}")
    assert one.status == 200
    assert one.body in api.get().body
    assert one.body == payloads.notification_json(selectors.get_notification(ada.pk, public_id))


def test_list__newest_first__in_parts_of_the_limit(api: Api, ada: User) -> None:
    for _ in range(5):
        send(ada)
    first = api.get(params={"limit": 2})
    assert positions(first) == [5, 4]
    second = api.get(first.json["next"])
    assert positions(second) == [3, 2]
    last = api.get(second.json["next"])
    assert positions(last) == [1]
    assert last.json["next"] is None
    for _ in range(21):
        send(ada)
    assert positions(api.get()) == list(range(26, 1, -1))


def test_next__is_absolute_and_keeps_every_other_parameter(api: Api, ada: User) -> None:
    for _ in range(3):
        send(ada, topic="order:7 & more")
    query = (
        "category=orders&topic=order%3A7%20%26%20more&category=imports&unread=true&unknown=%C3%A9"
        "&limit=2&before=9"
    )
    url = urlsplit(api.get(f"?{query}").json["next"])
    assert (url.scheme, url.netloc, url.path) == ("http", "testserver", "/api/v1/notifications")
    assert parse_qs(url.query) == parse_qs(query) | {"before": ["2"]}


def test_list__changed_between_pages__neither_skips_nor_repeats(api: Api, ada: User) -> None:
    ids = [send(ada) for _ in range(12)]
    seen, url = [], "/api/v1/notifications?limit=3"
    deletions = iter([ids[11], ids[5], ids[8], ids[0]])
    deleted_unseen = set()
    while url:
        page = api.get(url).json
        seen += [item["id"] for item in page["results"]]
        url = page["next"]
        # Between any two pages something arrives, something is read, and something is deleted, seen or not.
        send(ada)
        services.mark_read(ada, [ids[3]])
        if gone := next(deletions, None):
            services.delete(ada, [gone])
            if str(gone) not in seen:
                deleted_unseen.add(str(gone))
    assert seen == [str(public_id) for public_id in reversed(ids) if str(public_id) not in deleted_unseen]
    assert deleted_unseen


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("category=orders", [5, 2, 1]),
        ("category=orders,imports", [5, 3, 2, 1]),
        ("category=orders&category=imports", [5, 3, 2, 1]),
        ("type=orders.order.shipped", [2, 1]),
        ("type=orders.order.*", [5, 2, 1]),
        ("type=orders.*", [5, 2, 1]),
        ("type=orders.order.shipped,imports.*", [3, 2, 1]),
        ("topic=order:7", [5, 1]),
        ("topic=order%3A7,order:8", [5, 2, 1]),
        ("level=error", [4]),
        ("level=error,warning", [5, 4]),
        ("category=orders&level=info", [2, 1]),
        ("category=nothing_of_the_kind", []),
        ("categories=orders", [5, 2, 1]),
        ("categories=orders&category=imports", [5, 3, 2, 1]),
        ("types=orders.order.shipped&topics=order:7&levels=info,error", [1]),
        ("unread=true", [5, 4, 3, 2]),
        ("unread=false", [5, 4, 3, 2, 1]),
        ("unread=true&topic=order:7", [5]),
        ("before=3", [2, 1]),
        ("before=1", []),
        ("before=0", []),
        ("limit=1", [5]),
        ("limit=200&wait=20&page=7&format=xml&_method=DELETE", [5, 4, 3, 2, 1]),
    ],
)
def test_filters__admit_what_they_say(api: Api, ada: User, query: str, expected: list[int]) -> None:
    first = send(ada, topic="order:7")
    send(ada, topic="order:8")
    send(ada, event=order_event(type_name="imports.run.finished"))
    send(ada, event=order_event(type_name="alerts.login.new"), level="error")
    send(ada, event=order_event(type_name="orders.order.lost"), level="warning", topic="order:7")
    services.mark_read(ada, [first])
    answer = api.get(f"?{query}")
    assert [position for position in positions(answer) if position <= 5] == expected
    # Cursor and count are the whole inbox's, whatever the filter.
    assert answer.json["cursor"].endswith("-6")
    assert answer.json["unread_count"] == 4


def test_filters__as_they_were_understood__stand_beside_the_list(api: Api) -> None:
    answer = api.get("?types=b.c,a.*&type=b.c&level=info&unread=true&foo=bar")
    assert answer.json["filters"] == {"type": ["a.*", "b.c"], "level": ["info"]}


@pytest.mark.parametrize("path", ["", "/changes"])
@pytest.mark.parametrize(
    "name",
    [
        "event", "event_type", "event_types", "tag", "tags", "channel", "channels", "category[]", "type[0]",
        "filter[level]", "eventType", "Category", "TOPICS", "top-ic",
    ],
)  # fmt: skip
def test_filters__by_a_name_that_is_none__are_refused(api: Api, path: str, name: str) -> None:
    answer = api.get(path, {name: "orders"})
    assert (answer.status, answer.code, list(answer.problem["errors"])) == (400, "unknown_filter", [name])


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=-1", "limit=", "limit=abc", "limit=1.0", "limit=%2B5", "limit=05",
        "limit=1e2", "limit=%D9%A5", "limit=%205", "limit=9" + "9" * 5000, "limit=5&limit=0",
        "before=-1", "before=", "before=x", "before=99999999999999999999", "before=1.5", "before=0x10",
        "before=null", "unread=1", "unread=TRUE", "unread=", "unread=yes",
        "level=fatal", "level=", "level=info,", "category=", "category=Orders", "category=orders.order",
        "category=,", "type=.*", "type=*", "type=orders.*.shipped", "type=orders*", "type=" + "a" * 101,
        "topic=" + "x" * 101, "categories=", "types=", "levels=info,", "topics=&topic=x",
        "topic=", "topic=%00", "topic=a%ED%A0%80", "x=%00", "%00=x", "x=%ED%BF%BF", "category=orders%0A",
        "&".join(f"topic=t{n}" for n in range(51)), "topic=" + ",".join("abc" for _ in range(51)),
        "&".join(f"x{n}=1" for n in range(1001)),
    ],
)  # fmt: skip
def test_query__bad__is_refused_with_the_field_named(api: Api, query: str) -> None:
    answer = api.get(f"?{query}")
    assert answer.code == "invalid"
    assert answer.status == 400
    assert answer.problem["errors"]


def test_etag__while_nothing_changes__is_strong_and_answered_with_304(
    api: Api, ada: User, django_assert_num_queries: Any
) -> None:
    send(ada)
    first = api.get()
    etag = first.headers["ETag"]
    assert etag == f'"{first.json["cursor"]}"'
    with django_assert_num_queries(3):  # the session, its user, the inbox
        again = api.get(If_None_Match=etag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize(
    ("held", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ("*", 304),
        ('"other"', 200),
        ("{bare}", 200),
        ('W/"', 200),
        ("", 200),
        ('"', 200),
        ("\xff", 200),
        ('"' * 5000, 200),
    ],
)
def test_etag__held_by_the_client__is_compared_weakly(api: Api, held: str, status: int) -> None:
    etag = api.get().headers["ETag"]
    assert api.get(If_None_Match=held.format(etag=etag, bare=etag.strip('"'))).status == status


@pytest.mark.parametrize("path", ["", "/counts"])
def test_etag__after_any_change__is_another(api: Api, ada: User, path: str) -> None:
    public_id = send(ada)
    changes: list[Callable[[], object]] = [
        lambda: send(ada),
        lambda: services.mark_read(ada, [public_id]),
        lambda: services.mark_unread(ada, [public_id]),
        lambda: services.mark_all_read(ada),
        lambda: services.delete(ada, [public_id]),
    ]
    for change in changes:
        etag = api.get(path).headers["ETag"]
        change()
        answer = api.get(path, If_None_Match=etag)
        assert answer.status == 200
        assert answer.headers["ETag"] != etag


def test_etag__when_a_repeated_action_changes_nothing__stays(api: Api, ada: User) -> None:
    public_id = send(ada)
    services.mark_read(ada, [public_id])
    etag = api.get().headers["ETag"]
    services.mark_read(ada, [public_id, uuid4()])
    services.mark_all_read(ada)
    services.delete(ada, [uuid4()])
    assert api.get(If_None_Match=etag).status == 304


def test_etag__of_another_user__does_not_fit(api: Api) -> None:
    etag = api.get().headers["ETag"]
    grace = Api(make_user("grace"))
    assert grace.get(If_None_Match=etag).status == 200


def test_bad_query__with_a_current_etag__is_refused_all_the_same(api: Api) -> None:
    etag = api.get().headers["ETag"]
    assert api.get(params={"limit": "0"}, If_None_Match=etag).status == 400


def test_list__asks_the_database_twice__whatever_its_length(
    api: Api, ada: User, django_assert_num_queries: Any
) -> None:
    services.open_inbox(ada.pk)
    for count in (0, 1, 30):
        for _ in range(count):
            send(ada)
        with django_assert_num_queries(4):  # the session, its user, the inbox, the list
            api.get(params={"limit": 200, "category": "orders"})


def test_one__asks_the_database_once(api: Api, ada: User, django_assert_num_queries: Any) -> None:
    public_id = send(ada)
    with django_assert_num_queries(3):
        api.get(f"/{public_id}")


def test_list__of_others__stays_theirs(api: Api, ada: User) -> None:
    grace = make_user("grace")
    send(grace)
    assert api.get().json["results"] == []
    assert api.get("/counts").json["unread"] == 0


def test_list__of_what_is_staged_scheduled_or_deleted__shows_none(api: Api, ada: User) -> None:
    services.delete(ada, [send(ada)])
    event = Event.objects.create(type="orders.order.shipped", title="t")
    Notification.objects.create(recipient=ada, event=event)
    assert api.get().json["results"] == []


@pytest.mark.parametrize("path", ["", "/counts", "/changes"])
def test_head__has_the_headers_of_get_and_no_body(api: Api, ada: User, path: str) -> None:
    send(ada)
    got, asked = api.get(path), api.ask("HEAD", path)
    assert (asked.status, asked.body) == (200, b"")
    told = [dict(answer.headers) for answer in (asked, got)]
    assert all(headers.pop("RateLimit") for headers in told), "each of them counts"
    assert told[0] == told[1]


def test_rows_written_past_the_services__break_nothing_but_themselves(api: Api, ada: User) -> None:
    broken, whole = send(ada), send(ada)
    row = Notification.objects.get(public_id=broken)
    for data in ('{"a": NaN}', "no JSON", '["a"]', '{"a":\n1}', ""):
        Event.objects.filter(pk=row.event_id).update(data=data)
        assert [item["id"] for item in api.get().json["results"]] == [str(whole), str(broken)]
    Notification.objects.filter(pk=row.pk).update(type='or"ders.{}\n')
    assert api.get().json["results"][1]["type"] == 'or"ders.{}\n'


def test_counts__by_category__leave_out_what_has_none_unread(
    api: Api, ada: User, django_assert_num_queries: Any
) -> None:
    read = send(ada, event=order_event(type_name="imports.run.finished"))
    for type_name in ("orders.order.shipped", "orders.order.lost", "alerts.login.new"):
        send(ada, event=order_event(type_name=type_name))
    services.mark_read(ada, [read])
    with django_assert_num_queries(4):
        answer = api.get("/counts")
    assert answer.json == {
        "unread": 3,
        "by_category": {"alerts": 1, "orders": 2},
        "cursor": api.get().json["cursor"],
        "inbox": payloads.inbox_name(ada.pk),
    }
    with django_assert_num_queries(3):
        assert api.get("/counts", If_None_Match=answer.headers["ETag"]).status == 304


def test_counts__of_a_user_without_inbox__are_zero(api: Api) -> None:
    answer = api.get("/counts").json
    assert (answer["unread"], answer["by_category"]) == (0, {})


def test_list__several_bad_parameters__are_all_named(api: Api) -> None:
    answer = api.get("?level=loud&category=Orders&limit=0&before=x&unread=maybe")
    assert (answer.status, answer.json["code"]) == (400, "invalid")
    assert sorted(answer.json["errors"]) == ["before", "category", "level", "limit", "unread"]
