"""`notify`, `notify_many` and what comes of them: what is written, announced and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import DataError, connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy

from notifications import selectors, services
from notifications.event_types import EventType, UntypedEvent, registry
from notifications.exceptions import InvalidInput, NotificationTooLarge, UnknownEventType
from notifications.models import Event, Notification
from tests.helpers.api import BAD_ACTIONS, PAY
from tests.helpers.factories import order_event, send
from tests.helpers.oracle import assert_converges, change_names, changes_since

pytestmark = pytest.mark.django_db(transaction=True)


def test_notify__lists_the_notification_with_all_it_was_given(ada: User, grace: User) -> None:
    with assert_converges(ada):
        public_id = services.notify(
            ada,
            order_event(7),
            title="On its way",
            body="Soon.",
            url="/orders/7/",
            topic="order:7",
            level="success",
            actor=grace,
            expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        )
    row = selectors.get_notification(ada.pk, public_id)
    assert (row.position, row.type, row.topic, row.level) == (1, "orders.order.shipped", "order:7", "success")
    assert (row.title, row.body, row.url, row.actor) == ("On its way", "Soon.", "/orders/7/", "grace")
    assert row.data == '{"order_id":7}'
    assert public_id.version == 7


def test_notify__rolled_back__leaves_nothing_and_is_not_announced(ada: User, announced: list[Any]) -> None:
    def send_and_fail() -> None:
        with transaction.atomic():
            send(ada)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        send_and_fail()
    assert not Notification.objects.exists()
    assert announced == []
    services.sweep()
    assert change_names(ada) == []


def test_notify__savepoint_rolled_back__only_the_rest_is_announced(ada: User, grace: User) -> None:
    with transaction.atomic():
        send(ada, "kept")
        inner = transaction.savepoint()
        send(grace, "lost")
        transaction.savepoint_rollback(inner)
    assert change_names(ada) == ["notification.created"]
    assert change_names(grace) == []


def test_notify__the_database_refuses_it__the_callers_transaction_goes_on(ada: User) -> None:
    with transaction.atomic():
        send(ada, "before")
        with pytest.raises((DataError, OverflowError)):
            services.notify(2**70, order_event(), title="A key that no column holds")
        send(ada, "after")
    assert change_names(ada) == ["notification.created"] * 2
    assert Event.objects.count() == 2


def test_notify__inside_a_transaction__is_seen_by_nobody_before_the_commit(
    ada: User, announced: list[Any]
) -> None:
    with transaction.atomic():
        public_id = send(ada)
        assert announced == []
        assert selectors.inboxes([ada.pk]) == {}
        assert Notification.objects.get(public_id=public_id).position is None
    assert announced == [{ada.pk: 1}]


def test_notify__many_in_one_transaction__sequenced_in_staging_order_by_one_announcement(
    ada: User, grace: User, announced: list[Any]
) -> None:
    with transaction.atomic():
        for number in range(3):
            send(ada, f"ada {number}")
            send(grace, f"grace {number}")
    assert announced == [{ada.pk: 3, grace.pk: 3}]
    assert [change["notification"]["title"] for change in changes_since(ada.pk, 0)] == [
        "ada 0",
        "ada 1",
        "ada 2",
    ]


def test_notify_many__stores_the_event_once_and_each_recipient_once(ada: User, grace: User) -> None:
    ids = services.notify_many([grace, ada, grace.pk], order_event(), title="Both")
    assert Event.objects.count() == 1
    rows = Notification.objects.order_by("id").values_list("public_id", "recipient_id")
    assert list(rows) == [(ids[0], grace.pk), (ids[1], ada.pk)]


def test_notify_many__no_recipients__writes_no_notification(announced: list[Any]) -> None:
    assert services.notify_many([], order_event(), title="Nobody") == []
    assert announced == []


def test_any_committed_row__bulk_create__is_sequenced_by_the_sweeper(ada: User, announced: list[Any]) -> None:
    event = Event.objects.create(type="orders.order.shipped", title="Past the services")
    Notification.objects.bulk_create([Notification(recipient=ada, event=event) for _ in range(3)])
    assert announced == []
    with assert_converges(ada):
        assert services.sweep() == (3, 0)
    assert announced == [{ada.pk: 3}]


def test_any_committed_row__plain_sql__is_sequenced_by_the_sweeper(ada: User) -> None:
    event = Event.objects.create(type="orders.order.shipped", title="Past Django")
    public_id = uuid4() if connection.vendor == "postgresql" else uuid4().hex
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notification_hub_notification (public_id, recipient_id, event_id) "
            "VALUES (%s, %s, %s)",
            [public_id, ada.pk, event.pk],
        )
    with assert_converges(ada):
        assert services.sweep().sequenced == 1
    assert change_names(ada) == ["notification.created"]


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "Orders"},
        {"type": "stream.open.now"},
        {"type": "run.started"},
        {"title": " "},
        {"data": "[1]"},
        {"data": "{"},
        {"data": '{"a":NaN}'},
        {"url": "javascript:alert(1)"},
        {"level": "loud"},
        {"topic": "a,b"},
    ],
    ids=str,
)
def test_sequencer__row_that_cannot_be_shown__is_marked_failed_and_stops_nobody(
    ada: User, grace: User, bad: dict[str, str]
) -> None:
    event = Event.objects.create(**({"type": "orders.order.shipped", "title": "Past the services"} | bad))
    Notification.objects.create(recipient=ada, event=event)
    with assert_converges(ada, grace):
        services.notify_many([ada, grace], order_event(), title="Good")
        services.sweep()
    failed = Notification.objects.get(event=event)
    assert failed.failed_at is not None
    assert next(iter(bad)) in failed.failure
    assert services.sweep() == (0, 0)
    assert change_names(ada) == change_names(grace) == ["notification.created"]


def test_collapse__replaces_the_listed_one_in_the_transaction_that_creates_the_new(ada: User) -> None:
    with assert_converges(ada):
        send(ada, "10 %", collapse_key="import")
        send(ada, "20 %", collapse_key="import")
    changes = changes_since(ada.pk, 0)
    assert [(change["change"], change.get("reason")) for change in changes] == [
        ("notification.created", None),
        ("notification.deleted", "replaced"),
        ("notification.created", None),
    ]
    assert changes[1]["at"] == changes[2]["at"]


def test_collapse__several_staged_at_once__each_replaces_the_one_before(ada: User) -> None:
    with assert_converges(ada), transaction.atomic():
        for number in range(3):
            send(ada, f"{number}", collapse_key="k")
    assert change_names(ada) == [
        "notification.created",
        "notification.deleted",
        "notification.created",
        "notification.deleted",
        "notification.created",
    ]
    assert [row.title for row in selectors.list_page(ada.pk).rows] == ["2"]


@pytest.mark.parametrize(
    "other",
    [
        {"topic": "order:8"},
        {"collapse_key": "other"},
        {"collapse_key": ""},
        {"event": order_event(type_name="orders.order.paid")},
    ],
    ids=str,
)
def test_collapse__other_topic_key_or_type__replaces_nothing(ada: User, other: dict[str, Any]) -> None:
    common = {"topic": "order:7", "collapse_key": "k"}
    send(ada, **common)
    send(ada, **(common | other))
    assert change_names(ada) == ["notification.created", "notification.created"]


def test_collapse__other_recipient__keeps_theirs(ada: User, grace: User) -> None:
    services.notify_many([ada, grace], order_event(), title="1", collapse_key="k")
    services.notify(ada, order_event(), title="2", collapse_key="k")
    assert change_names(grace) == ["notification.created"]


def test_collapse__replaced_one_was_read__unread_count_stays_right(ada: User) -> None:
    with assert_converges(ada):
        first = send(ada, collapse_key="k")
        services.mark_read(ada, [first])
        send(ada, collapse_key="k")
    assert selectors.inboxes([ada.pk])[ada.pk].unread_count == 1


def test_deliver_at__stays_staged_until_due__then_the_sweeper_lists_it(ada: User) -> None:
    due = timezone.now() + timedelta(hours=1)
    send(ada, deliver_at=due)
    services.sweep()
    assert change_names(ada) == []
    with time_machine.travel(due + timedelta(seconds=1)):
        assert services.sweep().sequenced == 1
    assert change_names(ada) == ["notification.created"]


def test_deliver_at__scheduled_one__does_not_hold_up_what_is_sent_later(ada: User) -> None:
    send(ada, "later", deliver_at=timezone.now() + timedelta(hours=1))
    send(ada, "now")
    assert [row.title for row in selectors.list_page(ada.pk).rows] == ["now"]


def test_expires_at__listed_until_the_sweeper_deletes_it(ada: User) -> None:
    expiry = timezone.now() + timedelta(hours=1)
    public_id = send(ada, expires_at=expiry)
    assert services.sweep().expired == 0
    with time_machine.travel(expiry + timedelta(seconds=1)), assert_converges(ada):
        assert selectors.get_notification(ada.pk, public_id)
        assert services.sweep().expired == 1
    assert changes_since(ada.pk, 1)[0]["reason"] == "expired"
    assert services.sweep().expired == 0


def test_times__clock_set_back__never_go_back_within_an_inbox(ada: User) -> None:
    public_id = send(ada)
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        services.mark_read(ada, [public_id])
        send(ada)
    times = [change["at"] for change in changes_since(ada.pk, 0)]
    assert times == sorted(times)


class Shipped(EventType, name="tests.order.shipped", level="success"):
    """A typed event of the tests."""

    order_id: int
    carrier: str = ""


def test_notify__typed_event__gives_type_level_and_data(ada: User) -> None:
    public_id = services.notify(ada, Shipped(order_id=7), title="t")
    row = selectors.get_notification(ada.pk, public_id)
    assert (row.type, row.level, row.data) == (
        "tests.order.shipped",
        "success",
        '{"order_id":7,"carrier":""}',
    )


def test_notify__strict_registry__refuses_types_that_nobody_declares(ada: User, settings: Any) -> None:
    settings.NOTIFICATION_HUB = {"strict_event_types": True}
    services.notify(ada, Shipped(order_id=7), title="t")
    with pytest.raises(UnknownEventType):
        send(ada)


def test_notify__lazy_title__is_read_in_the_senders_language(ada: User) -> None:
    with translation.override("de"):
        public_id = send(ada, title=gettext_lazy("January"))
    assert selectors.get_notification(ada.pk, public_id).title == "Januar"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"body": "x" * 10_001}, "body"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "//evil.example"}, "url"),
        ({"url": "/\\evil.example"}, "url"),
        ({"url": "/\t/evil.example"}, "url"),
        ({"url": " https://a.example"}, "url"),
        ({"url": "https:///path"}, "url"),
        ({"url": "https://[::1"}, "url"),
        ({"url": "https://a.example:99999/"}, "url"),
        ({"url": "orders/7"}, "url"),
        ({"topic": "a,b"}, "topic"),
        ({"topic": "a\nb"}, "topic"),
        ({"topic": "x" * 101}, "topic"),
        ({"level": "loud"}, "level"),
        ({"actor": "x" * 255}, "actor"),
        *(({"actions": actions}, name) for actions, name in BAD_ACTIONS),
        ({"actions": [PAY | {"label": "a\0b"}]}, "actions.0.label"),
        ({"actions": [PAY | {"url": "/\ud800"}]}, "actions.0.url"),
        ({"collapse_key": "x" * 201}, "collapse_key"),
        ({"deliver_at": datetime(2026, 1, 1)}, "deliver_at"),  # noqa: DTZ001 (naive on purpose)
        (
            {
                "deliver_at": datetime(2100, 1, 2, tzinfo=UTC),
                "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
            },
            "expires_at",
        ),
        ({"event": order_event(type_name="orders")}, "type"),
        ({"event": order_event(type_name="inbox.order.shipped")}, "type"),
        ({"event": order_event(type_name="run.order.shipped")}, "type"),
        ({"event": UntypedEvent(type_name="a.b", fields={"x": float("nan")})}, "data"),
        ({"event": UntypedEvent(type_name="a.b", fields={"x": 2**63})}, "data"),
        ({"event": UntypedEvent(type_name="a.b", fields={"x": set()})}, "data"),
    ],
    ids=str,
)
def test_notify__bad_field__is_named_and_nothing_is_sent(
    ada: User, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        send(ada, **options)
    assert list(caught.value.errors) == [field]
    assert not Event.objects.exists()


def test_notify__several_bad_actions__are_named_together_with_the_other_fields(ada: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        send(ada, " ", actions=[{"label": "", "url": "x"}, {"label": "Pay"}])
    assert set(caught.value.errors) == {"title", "actions.0.label", "actions.0.url", "actions.1.url"}


def test_notify__action__has_its_label_in_the_senders_language_and_is_a_link_unless_it_says_otherwise(
    ada: User,
) -> None:
    with translation.override("de"):
        public_id = send(ada, actions=({"label": gettext_lazy("January"), "url": "/1/"},))
    stored = selectors.get_notification(ada.pk, public_id).actions
    assert stored == '[{"label":"Januar","url":"/1/","method":"GET"}]'


def test_notify__over_64_kib__is_refused(ada: User) -> None:
    with pytest.raises(NotificationTooLarge):
        send(ada, event=UntypedEvent(type_name="a.b", fields={"x": "y" * 65_536}))


@pytest.mark.parametrize("recipient", [None, User(username="unsaved")])
def test_notify__no_saved_user__is_refused(recipient: Any) -> None:
    with pytest.raises(InvalidInput, match="saved user"):
        send(recipient)


def test_registry__knows_declared_types_by_name() -> None:
    assert "tests.order.shipped" in registry
    assert Shipped in list(registry)
