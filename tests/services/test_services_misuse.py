"""What callers get wrong: each mistake has a sentence of its own, the same on both databases, and changes
nothing.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction

from notifications import selectors, services
from notifications.event_types import UntypedEvent
from notifications.exceptions import InvalidInput, UserGone
from notifications.models import Change, Event, Inbox, Notification
from notifications.services import Recipients
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import assert_converges

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"title": None}, "title"),
        ({"title": 7}, "title"),
        ({"title": b"t"}, "title"),
        ({"body": None}, "body"),
        ({"url": None}, "url"),
        ({"topic": 7}, "topic"),
        ({"topic": None}, "topic"),
        ({"collapse_key": None}, "collapse_key"),
        ({"collapse_key": "a\0b"}, "collapse_key"),
        ({"source": None}, "source"),
        ({"source": "x" * 255}, "source"),
        ({"source": "a\0b"}, "source"),
        ({"source": "\ud800"}, "source"),
        ({"level": 7}, "level"),
        ({"deliver_at": "2100-01-01T00:00:00Z"}, "deliver_at"),
        ({"expires_at": 4_102_444_800}, "expires_at"),
    ],
    ids=str,
)
def test_notify__value_of_another_type_or_too_long__is_named_and_nothing_is_sent(
    ada: User, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.notify(ada, order_event(), **({"title": "t"} | options))
    assert list(caught.value.errors) == [field]
    assert not Event.objects.exists()


def test_notify__option_that_there_is_none_of__is_refused_by_its_name_and_by_a_type_checker(
    ada: User,
) -> None:
    """`make check` says that an ignored error is none, as soon as the type checker no longer sees it."""
    everybody = services.Recipients(everyone=True)
    with pytest.raises(TypeError, match="tpoic"):
        services.notify(ada, order_event(), title="t", tpoic="order:7")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="tpoic"):
        services.notify_many([ada], order_event(), title="t", tpoic="order:7")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="replay_of"):
        services.broadcast(everybody, order_event(), title="t", replay_of=None)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="tpoic"):
        async_to_sync(services.anotify)(ada, order_event(), title="t", tpoic="order:7")  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match="topic"):
        services.notify(ada, order_event(), title="t", topic=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="title"):
        services.notify(ada, order_event())  # type: ignore[call-arg]
    assert not Event.objects.exists()


def test_notify__several_bad_fields__are_all_named(ada: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.notify(
            ada, UntypedEvent(type_name="A", fields={}), title="", topic="a,b", url="x", level="loud"
        )
    assert set(caught.value.errors) == {"type", "title", "topic", "url", "level"}


def test_notify__something_else_than_an_event__is_refused(ada: User) -> None:
    with pytest.raises(InvalidInput, match="EventType"):
        services.notify(ada, "orders.order.shipped", title="t")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "recipient",
    ["nobody", "", 1.5j, AnonymousUser(), ["1"], object()],
    ids=["name", "empty", "complex", "anonymous", "list", "object"],
)
def test_notify__what_can_be_no_user__is_refused(recipient: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        send(recipient)
    assert list(caught.value.errors) == ["recipient"]


def test_keys_as_text__mean_the_same_users(ada: User) -> None:
    with assert_converges(ada):
        ids = services.notify_many([str(ada.pk), ada.pk, ada], order_event(), title="once")
        assert len(ids) == 1
        assert services.mark_read(str(ada.pk), ids).changed == 1
        assert services.mark_all_read(str(ada.pk)).changed == 0
        assert services.delete(str(ada.pk), ids).changed == 1


def test_ids_as_text__mean_the_same_notifications(ada: User) -> None:
    outcome = services.mark_read(ada, [str(send(ada)), str(UUID(int=0))])  # type: ignore[list-item]
    assert (outcome.changed, outcome.not_found) == (1, [UUID(int=0)])


def test_delete__reason_of_no_list__is_refused(ada: User) -> None:
    public_id = send(ada)
    with pytest.raises(ValueError, match="nonsense"):
        services.delete(ada, [public_id], reason='nonsense","x":"')
    assert selectors.get_notification(ada.pk, public_id)


@pytest.mark.parametrize("up_to", [-(10**30), -1, 0])
def test_mark_all_read__nothing_was_seen__reads_nothing(ada: User, up_to: int) -> None:
    send(ada)
    assert services.mark_all_read(ada, up_to=up_to).changed == 0


@pytest.mark.parametrize("up_to", [1, 2, 10**15, 2**63, 10**30])
def test_mark_all_read__position_past_the_head__is_the_head(ada: User, up_to: int) -> None:
    send(ada)
    with assert_converges(ada):
        assert services.mark_all_read(ada, up_to=up_to).changed == 1
    assert Change.objects.get(kind="read_all").up_to == 1


@pytest.mark.shape("production")
def test_actions__inside_a_callers_transaction__leave_its_lock_timeout_alone(ada: User) -> None:
    public_id = send(ada)
    with transaction.atomic(), connection.cursor() as cursor:
        services.mark_read(ada, [public_id])
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@pytest.mark.shape("production")
def test_actions__in_a_transaction_of_their_own__wait_for_a_lock_no_longer_than_configured(
    ada: User, settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"lock_timeout_seconds": 1.5}
    seen: list[Any] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if "FOR NO KEY UPDATE" in sql:
            with context["connection"].connection.cursor() as cursor:
                seen.append(cursor.execute("SHOW lock_timeout").fetchone()[0])
        return answer

    with connection.execute_wrapper(look):
        services.mark_all_read(ada)
        send(ada)
    assert seen == ["1500ms", "1500ms"]


def test_nobody_of_that_key__is_said_by_an_error_of_the_hub_and_leaves_nothing(ada: User) -> None:
    nobody = ada.pk + 1_000
    for names, action in (
        ({"recipient"}, lambda: send(nobody)),  # type: ignore[arg-type]
        ({"recipient"}, lambda: services.notify_many([ada, nobody], order_event(), title="t")),
        (
            {"owner"},
            lambda: services.broadcast(Recipients(users=[ada]), order_event(), title="t", owner=nobody),
        ),
        (
            {"user"},
            lambda: services.create_token(User(pk=nobody), name="x", scopes=["read"], expires_at=None),
        ),
    ):
        for around in (nullcontext, transaction.atomic):
            with around(), pytest.raises(InvalidInput) as caught:
                action()
            assert caught.value.errors.keys() == names
    for touch in (
        lambda: services.mark_all_read(nobody),
        lambda: services.mark_read(nobody, []),
        lambda: services.open_inbox(nobody),
    ):
        for around in (nullcontext, transaction.atomic):
            with around(), pytest.raises(UserGone):
                touch()
    assert not Event.objects.exists()
    assert not Notification.objects.exists()
    assert not Inbox.objects.exists()


def test_user_deleted_meanwhile__leaves_the_callers_transaction_as_it_was(ada: User) -> None:
    """A task that was handed a user, and comes to it when they are gone."""
    grace, stale = make_user("grace"), make_user("stale")
    User.objects.filter(pk=stale.pk).delete()
    with transaction.atomic():
        with pytest.raises(InvalidInput, match=f"no user with the key {stale.pk}"):
            services.notify_many([grace, stale], order_event(), title="to both")
        services.notify(grace, order_event(), title="to one")
    assert list(Event.objects.values_list("title", flat=True)) == ["to one"]
    assert selectors.inbox(grace.pk).head == 1  # type: ignore[union-attr]


def test_send_within_a_transaction__looks_for_its_recipients_in_no_trip_of_its_own(
    ada: User, django_assert_num_queries: Any
) -> None:
    with transaction.atomic(), django_assert_num_queries(3 if connection.vendor == "postgresql" else 5):
        services.notify(
            ada, order_event(), title="t"
        )  # in a savepoint; on SQLite in two statements, and one that looks
