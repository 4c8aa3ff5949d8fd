"""Set-based writes: what `insert_rows` and `update_rows` store is what the plain ORM stores, on both
databases.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.models import Change, Event, Inbox, Notification
from notifications.sql.rows import insert_rows, insert_with_children, update_rows
from tests.helpers.factories import make_user

pytestmark = pytest.mark.django_db

NASTY = (
    "",
    " ",
    "NULL",
    "null",
    "{}",
    "{a,b}",
    '{"a"}',
    "a,b",
    '"',
    "'",
    "''; DROP TABLE notification_hub_event; --",
    "\\",
    '\\"',
    "\\n",
    "a\tb\nc\r",
    "%s %(x)s %%",
    "$1 ::text",
    "\u2028\u200f\ufeff",
    "Ångström ß İ",
    "😀👩‍👩‍👧‍👦𝔘",
    "\x7f\x01",
    "0",
    "1e9",
    "true",
)
LONG = "läng 😀 " * 1_000
TIMES = (
    None,
    datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
)
BIG = 2**63 - 1
ADDRESSES = (None, "127.0.0.1", "::1", "2001:db8::ff00:42:8329")
EVENT_COLUMNS = ("type", "topic", "level", "title", "body", "url", "actor", "data", "expires_at", "source")
CHANGE_COLUMNS = (
    "inbox_id",
    "position",
    "kind",
    "at",
    "unread_count",
    "notification_id",
    "event_id",
    "created_position",
    "created_at",
    "up_to",
    "read_category",
    "reason",
    "by",
    "via",
    "address",
)


def as_orm(model: type[Model], columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    """The same rows through `bulk_create`, read back."""
    made = model._default_manager.bulk_create([model(**dict(zip(columns, row, strict=True))) for row in rows])
    return stored(model, columns, [item.pk for item in made])


def stored(model: type[Model], columns: tuple[str, ...], keys: list[Any]) -> list[Any]:
    """What is in the table, by primary key."""
    return list(model._default_manager.filter(pk__in=keys).order_by("pk").values_list(*columns))


def inserted(model: type[Model], columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    """The rows through `insert_rows`, by one statement, read back in the order of their keys."""
    last = model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    with CaptureQueriesContext(
        connection,
    ) as captured:
        insert_rows(model, columns, rows)
    assert len(captured) == 1
    return list(model._default_manager.filter(pk__gt=last).order_by("pk").values_list(*columns))


def event_row(text: str, at: datetime | None) -> tuple[Any, ...]:
    return ("a.b", text[:100], "info", text[:200], text, text[:2_000], text[:254], text, at, text[:254])


@pytest.fixture
def inbox() -> Inbox:
    return Inbox.objects.create(user=make_user())


def test_insert_rows__nasty_text__is_stored_as_bulk_create_stores_it() -> None:
    rows = [event_row(text, at) for text in (*NASTY, LONG) for at in TIMES]
    assert inserted(Event, EVENT_COLUMNS, rows) == as_orm(Event, EVENT_COLUMNS, rows)


@pytest.mark.parametrize("text", [*NASTY, LONG])
def test_insert_rows__single_row__is_stored_as_bulk_create_stores_it(text: str) -> None:
    rows = [event_row(text, TIMES[1])]
    assert inserted(Event, EVENT_COLUMNS, rows) == as_orm(Event, EVENT_COLUMNS, rows)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
            st.none() | st.datetimes(timezones=st.timezones()).filter(lambda at: 1 < at.year < 9999),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_insert_rows__any_text_and_time__is_stored_as_bulk_create_stores_it(
    db: None, given_rows: list[tuple[str, datetime | None]]
) -> None:
    rows = [event_row(text, at) for text, at in given_rows]
    assert inserted(Event, EVENT_COLUMNS, rows) == as_orm(Event, EVENT_COLUMNS, rows)


def test_insert_rows__uuids_keys_and_nulls__are_stored_as_bulk_create_stores_them() -> None:
    users = [make_user() for _ in range(3)]
    event = Event.objects.create(type="a.b", title="t")
    columns = ("public_id", "recipient_id", "event_id", "collapse_key", "deliver_at", "replay_of", "position")

    def rows() -> list[tuple[Any, ...]]:
        return [
            (uuid4(), user.pk, event.pk, text, at, replay_of, None)
            for user in users
            for text in NASTY
            for at in TIMES
            for replay_of in (None, UUID(int=0), UUID(int=2**128 - 1))
        ]

    rows_of_services, rows_of_orm = rows(), rows()
    by_services = inserted(Notification, columns, rows_of_services)
    by_orm = as_orm(Notification, columns, rows_of_orm)
    assert [row[0] for row in by_services] == [row[0] for row in rows_of_services]
    assert [row[1:] for row in by_services] == [row[1:] for row in by_orm]


@pytest.mark.parametrize("number", [1, 3])
def test_insert_with_children__given__stores_both_as_the_orm_does_and_in_order(number: int) -> None:
    users = [make_user() for _ in range(number)]
    columns = ("recipient_id", "public_id", "collapse_key", "deliver_at", "replay_of")
    for text, at in zip(NASTY, TIMES * len(NASTY), strict=False):
        event = Event(type="a.b", title=text, data='{"a":1}', expires_at=at)
        rows = [(user.pk, uuid4(), text, at, None) for user in users]
        insert_with_children(event, Notification, "event_id", columns, rows)
        kept = Event.objects.get(pk=event.pk)
        assert (kept.title, kept.data, kept.expires_at) == (text, '{"a":1}', at)
        assert list(event.notifications.order_by("pk").values_list(*columns)) == rows
        assert not event._state.adding


@pytest.mark.django_db(transaction=True)
def test_insert_with_children__a_child_that_cannot_be__stores_neither() -> None:
    known = uuid4()
    user, columns = make_user(), ("recipient_id", "public_id")
    insert_with_children(Event(type="a.b", title="1"), Notification, "event_id", columns, [(user.pk, known)])
    with pytest.raises(IntegrityError):
        insert_with_children(
            Event(type="a.b", title="2"),
            Notification,
            "event_id",
            columns,
            [(user.pk, uuid4()), (user.pk, known)],
        )
    assert Event.objects.get().title == "1"
    assert Notification.objects.count() == 1


def test_insert_rows__addresses_and_big_numbers__are_stored_as_bulk_create_stores_them(inbox: Inbox) -> None:
    other = Inbox.objects.create(user=make_user())

    def rows(inbox_id: Any) -> list[tuple[Any, ...]]:
        numbers = (0, 1, -1, 2**31, -(2**63), BIG)
        combinations = enumerate(product(numbers, ADDRESSES, (None, BIG)))
        return [
            (inbox_id, place, "read_all", TIMES[1], number, None, None, None, None, up_to,
             "", "", "b", "api", address)
            for place, (number, address, up_to) in combinations
        ]  # fmt: skip

    by_services = inserted(Change, CHANGE_COLUMNS, rows(inbox.pk))
    by_orm = as_orm(Change, CHANGE_COLUMNS, rows(other.pk))
    assert [row[1:] for row in by_services] == [row[1:] for row in by_orm]
    assert {row[0] for row in by_services} == {inbox.pk}


def test_insert_rows__two_thousand_rows__keep_their_order() -> None:
    rows = [event_row(f"{number} {NASTY[number % len(NASTY)]}", None) for number in range(2_000)]
    assert [row[3] for row in inserted(Event, EVENT_COLUMNS, rows)] == [row[3] for row in rows]


@pytest.mark.parametrize("constant", [None, "", "{}", 'a"b', LONG])
def test_insert_rows__columns_that_never_vary__are_stored_as_bulk_create_stores_them(
    constant: str | None,
) -> None:
    columns = ("title", "type", "body", "expires_at")
    rows = [("t", "a.b", constant or "", None)] * 3
    assert inserted(Event, columns, rows) == as_orm(Event, columns, rows)


def test_insert_rows__columns_not_named__take_their_database_default() -> None:
    insert_rows(Event, ("type", "title"), [("a.b", "t")])
    event = Event.objects.get()
    assert (event.topic, event.level, event.body, event.data, event.expires_at) == (
        "",
        "info",
        "",
        "{}",
        None,
    )
    assert abs(event.created_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("write", [insert_rows, update_rows])
def test_rows__none_at_all__asks_the_database_nothing(write: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        write(Event, ("id", "title"), [])


def test_update_rows__every_kind_of_value__is_stored_as_bulk_update_stores_it() -> None:
    user, event = make_user(), Event.objects.create(type="a.b", title="t")
    columns = ("id", "position", "topic", "failure", "read_at", "replay_of", "level")
    values = [
        (number, text[:100], text, at, replay_of, level)
        for number, (text, at, replay_of, level) in enumerate(
            (text, at, replay_of, level)
            for text in NASTY
            for at in TIMES
            for replay_of in (None, uuid4())
            for level in ("info", "error")
        )
    ]
    by_services, by_orm = (staged(user, event, len(values)) for _ in range(2))
    with CaptureQueriesContext(connection) as captured:
        update_rows(
            Notification, columns, [(key, *row) for key, row in zip(by_services, values, strict=True)]
        )
    assert len(captured) == 1
    # The ORM's rows take other positions, which the list's index wants to be unique.
    objects = [
        Notification(pk=key, **dict(zip(columns[1:], (row[0] + BIG // 2, *row[1:]), strict=True)))
        for key, row in zip(by_orm, values, strict=True)
    ]
    Notification.objects.bulk_update(objects, columns[1:])
    assert stored(Notification, columns[2:], by_services) == stored(Notification, columns[2:], by_orm)
    assert [row[0] for row in stored(Notification, ("position",), by_services)] == [row[0] for row in values]


def staged(user: User, event: Event, count: int) -> list[int]:
    made = Notification.objects.bulk_create(
        [Notification(recipient=user, event=event, topic="before", failure="before") for _ in range(count)]
    )
    return [row.pk for row in made]


def test_update_rows__other_rows__are_left_alone() -> None:
    keys = staged(make_user(), Event.objects.create(type="a.b", title="t"), 3)
    update_rows(Notification, ("id", "topic"), [(keys[1], "after"), (keys[-1] + 1_000, "nobody's")])
    assert stored(Notification, ("topic",), keys) == [("before",), ("after",), ("before",)]


@pytest.mark.parametrize("count", [1, 3])
def test_update_rows__where_null__leaves_the_others_alone_and_counts(count: int) -> None:
    keys = staged(make_user(), Event.objects.create(type="a.b", title="t"), count)
    Notification.objects.filter(pk=keys[0]).update(failed_at=TIMES[1])
    rows = [(key, "after") for key in keys]
    assert update_rows(Notification, ("id", "topic"), rows, where_null=("position", "failed_at")) == count - 1
    assert stored(Notification, ("topic",), keys) == [("before",)] + [("after",)] * (count - 1)


def test_update_rows__two_thousand_rows_with_one_value__are_one_statement() -> None:
    keys = staged(make_user(), Event.objects.create(type="a.b", title="t"), 2_000)
    with CaptureQueriesContext(connection) as captured:
        update_rows(Notification, ("id", "failed_at", "failure"), [(key, TIMES[1], "why") for key in keys])
    assert len(captured) == 1
    assert set(stored(Notification, ("failed_at", "failure"), keys)) == {(TIMES[1], "why")}


@pytest.mark.shape("production")
@pytest.mark.parametrize("titles", [["x" * 201], ["x" * 201] * 2, ["short", "x" * 201]])
def test_rows__text_too_long_for_its_column__is_refused_and_never_cut(titles: list[str]) -> None:
    with pytest.raises(DataError, match="too long"):
        insert_rows(Event, ("type", "title"), [("a.b", title) for title in titles])


@pytest.mark.shape("production")
@pytest.mark.parametrize("count", [1, 2])
def test_update_rows__text_too_long_for_its_column__is_refused_and_never_cut(count: int) -> None:
    keys = staged(make_user(), Event.objects.create(type="a.b", title="t"), 2)
    values = ["y" * 101, "short"][:count]
    with pytest.raises(DataError, match="too long"):
        update_rows(Notification, ("id", "topic"), list(zip(keys, values, strict=False)))


def test_insert_rows__key_that_is_there_already__is_refused(inbox: Inbox) -> None:
    with pytest.raises(IntegrityError):
        insert_rows(Inbox, ("user_id", "epoch"), [(inbox.pk, "abcdefgh")])
