"""The category of an event: what its type declared when it was sent, wherever somebody asks for it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from notifications import selectors, services
from notifications.event_types import EventType, registry
from notifications.inbox_log.audit import audit
from notifications.inbox_log.provenance import SYSTEM
from notifications.models import Change, Event, Notification
from notifications.streaming.database_threads import in_database_thread
from tests.helpers.api import Api
from tests.helpers.asgi import Streams
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import assert_converges
from tests.helpers.staff import INBOXES, LIST, client_of, page_of, row_of, shown_titles

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "unit.parcel.sent"
CREATED = "notification.created"


def declare(category: str | None) -> type[Any]:
    """The type as an application declares it, now; the class of before is forgotten, as by a new version."""

    class ParcelSent(EventType, name=NAME, category=category):
        number: int = 7

    return ParcelSent


@pytest.fixture(autouse=True)
def parcel() -> Iterator[type[Any]]:
    declared = declare("shipping")
    yield declared
    registry.remove(declared)


@pytest.fixture
def ada(transactional_db: None) -> User:
    return make_user("ada")


@pytest.fixture
def staff() -> Client:
    return client_of(make_user("root", is_staff=True, is_superuser=True))


@pytest.fixture
async def streams(transactional_db: None) -> AsyncIterator[Streams]:
    opened = Streams()
    yield opened
    await opened.close()


@pytest.fixture
def of_both(ada: User) -> tuple[UUID, UUID]:
    """One that was sent before its type declared another category, and one that was sent after."""
    before = send(ada, "before", event=declare("shipping")())
    return before, send(ada, "after", event=declare("parcels")())


def stored_by_sql(ada: User, **columns: Any) -> Notification:
    """A notification and its event, as a program stores them that knows the tables alone."""
    columns = {"type": NAME, "title": "by SQL", "data": '{"number":7}'} | columns
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {connection.ops.quote_name(Event._meta.db_table)} ({', '.join(columns)}) "
            f"VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
    return Notification.objects.create(recipient=ada, event=Event.objects.latest("pk"))


def test_list_and_counts__go_by_the_category_of_the_sending(ada: User, of_both: tuple[UUID, UUID]) -> None:
    api = Api(ada)
    assert [item["category"] for item in api.get().json["results"]] == ["parcels", "shipping"]
    for category, titles in (("shipping", ["before"]), ("parcels", ["after"]), ("unit", [])):
        found = api.get("", {"category": category}).json["results"]
        assert [item["title"] for item in found] == titles
    assert api.get(f"/{of_both[0]}").json["category"] == "shipping"
    assert api.get("/counts").json["by_category"] == {"parcels": 1, "shipping": 1}
    registry.remove(declare(None))
    assert api.get("/counts").json["by_category"] == {"parcels": 1, "shipping": 1}


def test_all_read__of_a_category__takes_along_what_was_sent_in_it(
    ada: User, of_both: tuple[UUID, UUID]
) -> None:
    api = Api(ada)
    with assert_converges(ada):
        answer = api.act(action="read", up_to=api.get().json["cursor"], category="shipping").json
    assert (answer["changed"], answer["unread_count"]) == (1, 1)
    assert [row_of(public_id).read_at is None for public_id in of_both] == [False, True]
    epoch = answer["cursor"].split("-")[0]
    changes = api.get("/changes", {"after": f"{epoch}-0", "category": "parcels"}).json["changes"]
    assert [each["change"] for each in changes] == [CREATED, "inbox.read"]
    assert changes[1]["category"] == "shipping"
    assert list(audit([ada.pk])) == []


def test_past__after_an_all_read_of_a_category__is_as_it_was(ada: User, of_both: tuple[UUID, UUID]) -> None:
    services.mark_all_read(ada, category="shipping")
    declare(None)
    for position, is_read, unread_count in ((2, [False, False], 2), (3, [False, True], 1)):
        page = selectors.past_page(ada.pk, floor=0, position=position)
        assert [row.category for row in page.rows] == ["parcels", "shipping"]
        assert [row.read_at is not None for row in page.rows] == is_read
        assert page.unread_count == unread_count


async def test_stream__of_a_category__shows_what_was_sent_in_it_live_and_resumed(
    ada: User, streams: Streams
) -> None:
    live = await streams.open(ada, "category=shipping")
    await live.expect("stream.live")
    for category, title in (("shipping", "mine"), ("parcels", "other"), ("shipping", "last")):
        await in_database_thread(lambda: send(ada, title, event=declare(category)()))  # noqa: B023 (awaited at once)
    await live.expect(CREATED, where=lambda frame: frame.json["notification"]["title"] == "last")
    await in_database_thread(declare, "parcels")
    resumed = await streams.answer(ada, "after=earliest&closeafter=live&category=shipping")
    for stream in (live, resumed):
        shown = [frame.json["notification"] for frame in stream.of_type(CREATED)]
        assert [(each["title"], each["category"]) for each in shown] == [
            ("mine", "shipping"),
            ("last", "shipping"),
        ]


async def test_stream__of_a_category__shows_transient_events_that_declare_it(
    ada: User, streams: Streams
) -> None:
    shipping, unit = [await streams.open(ada, f"category={name}") for name in ("shipping", "unit")]
    for stream in (shipping, unit):
        await stream.expect("stream.live")
    await services.aemit(ada, declare("shipping")(number=1))
    await shipping.expect(NAME)
    await services.aemit(ada, declare(None)(number=2))
    await unit.expect(NAME)
    assert [frame.json["data"]["number"] for frame in shipping.of_type(NAME)] == [1]
    assert [frame.json["data"]["number"] for frame in unit.of_type(NAME)] == [2]


def test_staff__filter_export_and_watch_by_the_category_of_the_sending(
    staff: Client, ada: User, of_both: tuple[UUID, UUID]
) -> None:
    declare("post")
    for category, titles in (("shipping", ["before"]), ("parcels", ["after"]), ("post", []), ("unit", [])):
        assert shown_titles(staff.get(LIST, {"category": category})) == titles
        # Another way, by the rows of one recipient.
        assert shown_titles(staff.get(LIST, {"category": category, "recipient": "ada"})) == titles
    assert shown_titles(staff.get(LIST, {"type": "unit.parcel.*"})) == ["after", "before"]
    page = staff.get(LIST).content.decode()
    for category in ("shipping", "parcels", "post"):
        assert f"?category={category}" in page, "each is there to be chosen"
    answer: Any = staff.post(f"{LIST}export/?category=parcels", {"format": "csv"})
    exported = b"".join(answer).decode()
    assert [row["category"] for row in csv.DictReader(io.StringIO(exported))] == ["parcels"]
    tail = staff.get(f"{INBOXES}tail/", {"category": "shipping"})
    assert [line["change"].title for line in tail.context["lines"]] == ["before"]


def test_row_by_sql__gets_the_declared_category_or_the_first_segment_and_keeps_it(ada: User) -> None:
    declared = stored_by_sql(ada)
    plain = stored_by_sql(ada, type="orders.order.shipped")
    own = stored_by_sql(ada, category="own")
    with assert_converges(ada):
        services.sweep()
    rows = [Notification.objects.select_related("event").get(pk=row.pk) for row in (declared, plain, own)]
    assert [row.category for row in rows] == ["shipping", "orders", "own"]
    assert [row.event.category for row in rows] == ["shipping", "orders", "own"]
    declare("post")
    Notification.objects.create(recipient=make_user("grace"), event=rows[0].event)
    services.sweep()
    assert set(Notification.objects.filter(event=rows[0].event).values_list("category", flat=True)) == {
        "shipping"
    }
    assert list(audit([ada.pk])) == []


def test_row_by_sql__that_fails__has_a_category_if_its_type_is_a_name(ada: User) -> None:
    rows = [stored_by_sql(ada, title=" "), stored_by_sql(ada, type="Bad")]
    services.sweep()
    assert [Event.objects.get(pk=row.event_id).category for row in rows] == ["shipping", ""]


@pytest.mark.shape("production")
def test_row_by_sql__that_two_sequence_at_once__has_one_category(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = stored_by_sql(ada)
    real = registry.category_of

    def late(name: str) -> str:
        """Another process, of another version, is first."""
        Event.objects.filter(pk=row.event_id, category="").update(category="post")
        return real(name)

    monkeypatch.setattr(registry, "category_of", late)
    services.sweep()
    row.refresh_from_db()
    assert (row.category, row.event.category) == ("post", "post")


def test_broadcasts_and_replays__have_the_category_of_their_event(ada: User) -> None:
    everybody = services.Recipients(everyone=True)
    make_user("grace")
    services.open_inbox(ada.pk)
    services.broadcast(everybody, declare("shipping")(), title="All hands")
    declare("post")
    while services.run_broadcast_chunk():
        pass
    assert list(Notification.objects.values_list("category", flat=True)) == ["shipping"] * 2
    replayed = services.Selection(ids=[Notification.objects.get(recipient=ada).public_id])
    given: Any = {
        "owner": make_user("vera", is_superuser=True),
        "reason": "lost",
        "total_count": 1,
        "provenance": SYSTEM,
    }
    with assert_converges(ada):
        for verb, copy_to in (("copy", [make_user("linus")]), ("redeliver", [])):
            job = services.start_replay(verb, replayed, copy_to=copy_to, **given)
            while services.run_replay_chunk(job.pk):
                pass
    assert list(Notification.objects.values_list("category", flat=True)) == ["shipping"] * 4


def test_erase__leaves_the_category_to_what_is_blank(ada: User) -> None:
    grace = make_user("grace")
    first, _ = services.notify_many([ada, grace], declare("shipping")(), title="Zebra", body="secret")
    declare("post")
    services.withdraw([first])
    with assert_converges(ada):
        services.erase_notifications(ada, [first])
    blank = row_of(first).event
    assert (blank.title, blank.category, blank.is_admitted) == ("", "shipping", True)
    assert {change.event.category for change in Change.objects.select_related("event") if change.event} == {
        "shipping"
    }


def test_page__shows_and_offers_the_category(ada: User, of_both: tuple[UUID, UUID]) -> None:
    declare("post")
    page = client_of(ada).get("/", {"category": "shipping"}).content.decode()
    assert "<span>shipping</span>" in page
    assert "?category=parcels" in page
    assert "?category=post" not in page


def test_notification_page__of_an_all_read__names_its_category(
    staff: Client, ada: User, of_both: tuple[UUID, UUID]
) -> None:
    services.mark_all_read(ada, category="shipping")
    before, after = [staff.get(page_of(public_id)).content.decode() for public_id in of_both]
    assert "Everything of category shipping was marked as read" in before
    assert "was marked as read" not in after


@pytest.mark.parametrize("category", ["", "Ship", "a.b", "a-b", "é", "1a", "a" * 101, "a\n", 7])
def test_declaration__no_category__is_refused(category: Any) -> None:
    with pytest.raises(Exception, match="category: must be one segment"):
        declare(category)
    assert registry.category_of(NAME) == "shipping"
