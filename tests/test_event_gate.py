"""The gate (protocol, section 9): every door holds an event to its type, and the hub's own types are not for
everybody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Literal, NewType, NotRequired, TypedDict
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from notifications import services
from notifications.event_types import EventType, UntypedEvent, registry
from notifications.exceptions import InvalidInput, UnknownEventType
from notifications.models import Event, Notification
from notifications.services import Recipients
from notifications.testing import capture_events
from tests.helpers.api import BATCH, PUBLISH, WITHDRAW, Api, draft, post, producer_api, transient
from tests.helpers.factories import make_producer, make_user
from tests.helpers.oracle import listed
from tests.helpers.staff import BROADCASTS, LIST, client_of, page_of

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/api/v1/events"
ADD = f"{BROADCASTS}add/"
NAME = "unit.parcel.sent"
GOOD = {"number": 7, "carrier": "DHL", "stops": ["Ulm"], "size": {"width": 2}, "state": "open"}
FORGED = {"address": "203.0.113.9", "browser": "Firefox", "agent": "x"}


class State(Enum):
    OPEN = "open"
    SHUT = "shut"


@dataclass(frozen=True)
class Stop:
    """A part of the event."""

    city: str
    day: date


class Size(TypedDict):
    width: float
    height: NotRequired[float]


Number = NewType("Number", int)


@pytest.fixture(autouse=True)
def parcel() -> Iterator[type[EventType]]:
    class ParcelSent(EventType, name=NAME, level="success"):
        number: Number
        carrier: str = ""
        stops: tuple[str, ...] = ()
        size: Size | None = None
        state: State | None = None
        by: Literal[1, "road"] = 1
        at: datetime | None = None
        stop: Stop | None = None

    yield ParcelSent
    registry.remove(ParcelSent)


@pytest.fixture
def shop() -> User:
    return make_producer()


@pytest.fixture
def api(shop: User) -> Api:
    return producer_api(shop)


def untyped(data: Any) -> UntypedEvent:
    return UntypedEvent(type_name=NAME, fields=data)


def by_python(ada: User, data: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        services.notify(ada, untyped(data), title="x")
    return caught.value.errors


def by_broadcast(ada: User, data: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        services.broadcast(Recipients(users=[ada]), untyped(data), title="x")
    return caught.value.errors


def by_emit(ada: User, data: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        services.emit(ada, untyped(data))
    return caught.value.errors


def by_http(
    path: str, body: Callable[[User, Any], Any], prefix: str = ""
) -> Callable[[User, Any], dict[str, str]]:
    def ask(ada: User, data: Any) -> dict[str, str]:
        answer = post(producer_api(), path, body(ada, data))
        assert (answer.status, answer.code) == (400, "invalid")
        return {name.removeprefix(prefix): text for name, text in answer.problem["errors"].items()}

    return ask


DOORS = {
    "notify": by_python,
    "broadcast": by_broadcast,
    "emit": by_emit,
    "publish": by_http(PUBLISH, lambda ada, data: draft(ada, type=NAME, data=data)),
    "batch": by_http(BATCH, lambda ada, data: [draft(ada), draft(ada, type=NAME, data=data)], "items.1."),
    "events": by_http(EVENTS, lambda ada, data: {"to": {"users": ["ada"]}, "type": NAME, "data": data}),
}


TRANSIENT_DOORS = {"emit", "events"}


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({}, ["data.number"]),
        ({"number": "7"}, ["data.number"]),
        ({"number": True}, ["data.number"]),
        ({"number": 7, "carrier": None}, ["data.carrier"]),
        ({"number": 7, "stops": "Ulm"}, ["data.stops"]),
        ({"number": 7, "stops": ["Ulm", 1]}, ["data.stops"]),
        ({"number": 7, "size": {}}, ["data.size"]),
        ({"number": 7, "size": {"width": 1, "depth": 1}}, ["data.size"]),
        ({"number": 7, "state": "OPEN"}, ["data.state"]),
        ({"number": 7, "by": True}, ["data.by"]),
        ({"number": 7, "color": "red"}, ["data.color"]),
        ({"number": 7, "at": "2026-11-21T02:03:04"}, ["data.at"]),
        ({"number": 7, "stop": {"city": "Ulm", "day": "2026-13-01"}}, ["data.stop"]),
        ({"number": 7, "stop": {"city": "Ulm"}}, ["data.stop"]),
        ({"number": None, "color": "red", "carrier": 1}, ["data.number", "data.color", "data.carrier"]),
    ],
    ids=str,
)
@pytest.mark.shape("embedded")
def test_data__that_does_not_fit_its_type__is_refused_at_every_door_by_field(
    ada: User, data: dict[str, Any], fields: list[str]
) -> None:
    for door, ask in DOORS.items():
        User.objects.filter(username="shop").delete()
        assert sorted(ask(ada, data)) == sorted(fields), door
    assert not Event.objects.exists()


@pytest.mark.shape("embedded")
def test_type__that_is_not_for_the_door__is_refused_at_every_door_by_its_type(ada: User) -> None:
    class Typing(EventType, name="unit.chat.typing", durable=False):
        pass

    class Paid(EventType, name="unit.invoice.paid", transient=False):
        pass

    def refusals(name: str) -> dict[str, dict[str, str]]:
        def ask(door: str) -> dict[str, str]:
            User.objects.filter(username="shop").delete()
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(globals(), "NAME", name)
                return DOORS[door](ada, {})

        return {door: ask(door) for door in DOORS if (door in TRANSIENT_DOORS) is (name == Paid.type_name)}

    try:
        assert list(refusals(Typing.type_name)) == ["notify", "broadcast", "publish", "batch"]
        for refused in refusals(Typing.type_name).values():
            assert refused == {"type": "is transient: emit it, or send it by POST /events"}
        for refused in refusals(Paid.type_name).values():
            assert refused == {"type": "is durable: send it as a notification"}
        services.emit(ada, Typing())
        services.notify(ada, Paid(), title="x")
        assert Event.objects.get().type == Paid.type_name
    finally:
        registry.remove(Typing)
        registry.remove(Paid)


@pytest.mark.shape("embedded")
def test_data__that_fits_its_type__passes_every_door_as_it_was_sent(ada: User, api: Api) -> None:
    services.notify(ada, untyped(GOOD), title="x")
    services.emit(ada, untyped(GOOD))
    assert post(api, PUBLISH, draft(ada, type=NAME, data=GOOD)).status == 201
    assert post(api, BATCH, [draft(ada, type=NAME, data=GOOD)]).status == 201
    assert post(api, EVENTS, {"to": {"users": ["ada"]}, "type": NAME, "data": GOOD}).status == 202
    assert [item["data"] for item in listed(ada.pk).items.values()] == [GOOD] * 3
    assert {item["level"] for item in listed(ada.pk).items.values()} == {"info", "success"}


@pytest.mark.shape("embedded")
def test_event__with_times_and_parts__is_stored_as_json(ada: User, parcel: type[Any]) -> None:
    at = datetime(2026, 11, 21, 2, 3, 4, tzinfo=UTC)
    event = parcel(number=7, state=State.OPEN, at=at, stop=Stop("Ulm", at.date()))
    services.notify(ada, event, title="x")
    data = json.loads(Event.objects.get().data)
    assert (data["at"], data["state"]) == ("2026-11-21T02:03:04.000000Z", "open")
    assert data["stop"] == {"city": "Ulm", "day": "2026-11-21"}
    assert parcel.from_data(data) == event


def test_compose__data_that_does_not_fit__is_said_at_the_field_of_the_form(ada: User) -> None:
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    given = {"title": "x", "users": [ada.pk], "form_key": str(uuid4()), "step": "send", "type": NAME}
    page = root.post(ADD, {**given, "data": '{"color": 1}'})
    assert page.context["form"].errors["data"] == [
        "“number” is required.",
        f"“color” is no field of {NAME}.",
    ]
    root.post(ADD, {**given, "data": '{"number": 1}'})
    assert Event.objects.get().data == '{"number":1}'


# --- rows that come some other way


def insert(ada: User, **columns: Any) -> Notification:
    """As a program would that knows the tables alone."""
    columns = {"type": NAME, "title": "by SQL", "data": "{}"} | columns
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO notification_hub_event ({', '.join(columns)}) VALUES "
            f"({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
    event = Event.objects.latest("pk")
    Notification.objects.bulk_create([Notification(recipient=ada, event=event)])
    services.sweep()
    return Notification.objects.get(event=event)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"data": "{}"}, "data.number: is required"),
        ({"data": '{"number":1,"x":2}'}, f"data.x: is no field of {NAME}"),
        ({"type": "security.session.new"}, "data.address: is required"),
        ({"data": '{"number":1}', "expires_at": "9999-12-31T23:59:59Z"}, "expires_at: must lie in"),
        ({"data": '{"number":1}', "actions": "Pay"}, "actions: is not valid JSON"),
        (
            {"data": '{"number":1}', "actions": '[{"label":"Pay","url":"javascript:alert(1)"}]'},
            "actions.0.url: must be",
        ),
        (
            {"data": '{"number":1}', "actions": '[{"label":"Pay","label":"Pay","url":"/7/"}]'},
            "actions: is not valid",
        ),
    ],
    ids=str,
)
def test_row__by_sql_that_no_door_would_take__is_marked_failed_and_shown(
    ada: User, columns: dict[str, str], reason: str
) -> None:
    good = insert(ada, data='{"number":1}')
    failed = insert(ada, **columns)
    assert (good.position, failed.position) == (1, None)
    assert reason in failed.failure
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    assert "Failed" in root.get(LIST).content.decode()
    assert reason.partition(":")[0] in root.get(page_of(failed.public_id)).content.decode()


def test_row__of_a_transient_type__is_marked_failed(ada: User) -> None:
    class Typing(EventType, name="unit.chat.typing", durable=False):
        pass

    try:
        assert "type: is transient" in insert(ada, type="unit.chat.typing").failure
    finally:
        registry.remove(Typing)


def test_row__of_an_unknown_type_where_the_registry_is_strict__is_marked_failed(
    ada: User, settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"strict_event_types": True}
    assert "No installed app" in insert(ada, type="unit.parcel.lost").failure


def test_scheduled__through_a_door__is_not_held_to_what_its_type_became(
    ada: User, parcel: type[EventType], settings: Any
) -> None:
    """Another version of the application may sequence it, whose types are others."""
    services.broadcast(Recipients(users=[ada]), parcel(number=7), title="x")  # type: ignore[call-arg]
    registry.remove(parcel)

    class Renewed(EventType, name=NAME):
        other: int

    try:
        while services.run_broadcast_chunk():
            pass
        services.sweep()
        assert Notification.objects.get().position == 1
        settings.NOTIFICATION_HUB = {"strict_event_types": True}
        registry.remove(Renewed)
        with pytest.raises(UnknownEventType):
            services.notify(ada, untyped({}), title="x")
    finally:
        registry.remove(Renewed)


# --- what is secret


@pytest.fixture
def emitted() -> Iterator[list[Any]]:
    with capture_events() as events:
        yield events


SENT = {"user_token": "x", "list": [{"API-Key": {"a": 1}}], "text": '{"cookie": "y", "n": 1}', "tokens": 7}
SHOWN = {
    "user_token": "[redacted]",
    "list": [{"API-Key": "[redacted]"}],
    "text": '{"cookie":"[redacted]","n":1}',
    "tokens": 7,
}


@pytest.mark.shape("embedded")
def test_secret_key__in_a_transient_event__is_redacted_at_both_doors(
    ada: User, api: Api, emitted: list[Any]
) -> None:
    services.emit(ada, UntypedEvent(type_name="unit.login.tried", fields=SENT))
    assert post(api, EVENTS, transient(ada, type="unit.login.tried", data=SENT)).status == 202
    assert [event.data for event in emitted] == [SHOWN, SHOWN]


@pytest.mark.shape("embedded")
def test_secret_key__in_a_notification__stays_unless_its_type_says_otherwise(ada: User, api: Api) -> None:
    services.notify(ada, UntypedEvent(type_name="unit.login.tried", fields=SENT), title="x")
    assert post(api, PUBLISH, draft(ada, type="unit.login.tried", data=SENT)).status == 201
    assert [item["data"] for item in listed(ada.pk).items.values()] == [SENT, SENT]


@pytest.mark.shape("embedded")
def test_secret_key__of_the_setting__is_redacted_too(ada: User, emitted: list[Any], settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"secret_keys": ("iban",)}
    services.emit(ada, UntypedEvent(type_name="a.b", fields={"IBAN": "DE", "password": "x", "bank": "y"}))
    assert emitted[0].data == {"IBAN": "[redacted]", "password": "[redacted]", "bank": "y"}


@pytest.mark.shape("embedded")
def test_secret_field__of_a_declared_type__is_redacted_at_every_door_after_it_was_checked(
    ada: User, api: Api, emitted: list[Any]
) -> None:
    class Invited(EventType, name="unit.member.invited", secret=("code",)):
        code: str
        at: date | None = None

    event = Invited(code="1234", at=date(2026, 11, 21))
    shown = {"code": "[redacted]", "at": "2026-11-21"}
    data = event.data()
    try:
        services.notify(ada, event, title="x")
        services.broadcast(Recipients(users=[ada]), event, title="x")
        assert post(api, PUBLISH, draft(ada, type=Invited.type_name, data=data)).status == 201
        assert post(api, BATCH, [draft(ada, type=Invited.type_name, data=data)]).status == 201
        assert [json.loads(stored) for stored in Event.objects.values_list("data", flat=True)] == [shown] * 4
        services.emit(ada, event)
        assert post(api, EVENTS, transient(ada, type=Invited.type_name, data=data)).status == 202
        assert [item.data for item in emitted] == [shown] * 2
        answer = post(api, PUBLISH, draft(ada, type=Invited.type_name, data={"code": 1234}))
        assert list(answer.problem["errors"]) == ["data.code"]
        assert Invited.from_data(shown) == Invited(code="[redacted]", at=event.at)
    finally:
        registry.remove(Invited)


# --- types that not every producer may send


@pytest.mark.parametrize("name", ["security.session.new", "security.session.opened", "security.login.new"])
@pytest.mark.shape("embedded")
def test_security_type__of_a_token_that_does_not_name_it__is_refused_at_every_http_door(
    ada: User, shop: User, name: str
) -> None:
    shop_session = Api(user=shop)
    tokens = [{}, {"types": ["orders.*"]}, {"topics": ["account"]}]
    for api in [shop_session, *(producer_api(shop, **limits) for limits in tokens)]:
        for path, body in (
            (PUBLISH, draft(ada, type=name, data=FORGED, topic="account")),
            (BATCH, [draft(ada), draft(ada, type=name, data={}, topic="account")]),
            (EVENTS, {"to": {"users": ["ada"]}, "type": name, "topic": "account", "data": FORGED}),
        ):
            answer = post(api, path, body)
            assert (answer.status, answer.code) in {(403, "type_not_allowed"), (403, "forbidden")}
            # A draft before it may be refused first, for the token's other limits.
            assert answer.code == "type_not_allowed" or path == BATCH
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "types", [["security.session.new"], ["security.*"], ["orders.*", "security.session.*"]]
)
@pytest.mark.shape("embedded")
def test_security_type__of_a_token_that_names_it__is_sent(ada: User, shop: User, types: list[str]) -> None:
    api = producer_api(shop, types=types)
    assert post(api, PUBLISH, draft(ada, type="security.session.new", data=FORGED)).status == 201
    assert post(api, PUBLISH, draft(ada, type="security.session.new", data={})).code == "invalid"


@pytest.mark.shape("embedded")
def test_security_type__sent_once__can_be_withdrawn_by_a_token_that_does_not_name_it(
    ada: User, shop: User
) -> None:
    body = draft(ada, type="security.session.new", data=FORGED, topic="account")
    assert post(producer_api(shop, types=["security.*"]), PUBLISH, body).status == 201
    withdrawal = {"topic": "account", "type": "security.session.new"}
    assert post(producer_api(shop), WITHDRAW, withdrawal).json == {"changed": 1}


@pytest.mark.shape("embedded")
def test_type__that_its_declaration_keeps_from_http__is_for_python_and_for_tokens_that_name_it(
    ada: User, shop: User
) -> None:
    class Own(EventType, name="unit.own.sent", over_http=False):
        pass

    try:
        body = draft(ada, type="unit.own.sent")
        assert post(producer_api(shop), PUBLISH, body).code == "type_not_allowed"
        assert post(producer_api(shop, types=["unit.own.sent"]), PUBLISH, body).status == 201
        services.notify(ada, Own(), title="x")
    finally:
        registry.remove(Own)


def test_compose__a_security_type__is_refused_whoever_composes(ada: User) -> None:
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    given = {"title": "New login", "users": [ada.pk], "form_key": str(uuid4()), "step": "send"}
    for name in ("security.session.new", "security.session.opened"):
        page = root.post(ADD, {**given, "type": name, "data": '{"address":"","browser":"","agent":""}'})
        assert "token" in page.context["form"].errors["type"][0]
    assert not Event.objects.exists()


# --- how large data is


@pytest.mark.parametrize("letter", ["é", "€", "😀", "x"])
def test_data__counts_as_it_was_sent__and_comes_back_whole(ada: User, api: Api, letter: str) -> None:
    fits = letter * (65_000 // len(letter.encode()))
    large = letter * (66_000 // len(letter.encode()))
    assert post(api, PUBLISH, draft(ada, data={"text": fits})).status == 201
    assert post(api, PUBLISH, draft(ada, data={"text": large})).code == "too_large"
    [item] = listed(ada.pk).items.values()
    assert item["data"] == {"text": fits}
    root = client_of(make_user("root", is_staff=True, is_superuser=True))
    page = root.get(page_of(Notification.objects.get().public_id))
    assert fits in page.context["data"]


def test_row_by_sql__counts_as_any_other(ada: User) -> None:
    escaped = "\\u00e9" * 32_000
    assert insert(ada, type="a.b", data=f'{{"text": "{escaped}"}}').position == 1
    assert "64 KiB" in insert(ada, type="a.b", data=f'{{"text": "{escaped}{escaped}"}}').failure
