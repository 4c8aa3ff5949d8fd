"""Transient events: on the streams that are open, as section 6 of the protocol has them, and nowhere else."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.exceptions import InvalidInput, TransientEventTooLarge, UnknownEventType
from notifications.models import Event, Notification
from notifications.streaming.addressing import MAX_ADDRESSED_SINGLY
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints import receiver
from notifications.streaming.hints.seal import find_seal
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import make_user, send
from tests.helpers.waiting import wait_until_async

NEVER = {"reconcile_seconds": 300.0, "database_watch_seconds": 60.0}
PROGRESS = "imports.file.progress"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def progress(percent: Any = 5, *, type_name: str = PROGRESS, **fields: Any) -> UntypedEvent:
    return UntypedEvent(type_name=type_name, fields={"percent": percent, **fields})


async def live_stream(streams: Streams, user: User, query: str = "") -> AsgiStream:
    """A live stream of a user whom the layer's messages reach."""
    stream = await streams.open(user, query)
    await stream.expect("stream.live")
    joined = current_runtime()._hint_receiver._joined
    await wait_until_async(lambda: str(user.pk) in joined, what="the group to be joined")
    return stream


def percents(stream: AsgiStream) -> list[Any]:
    return [event.json["data"]["percent"] for event in stream.of_type(PROGRESS)]


async def test_emit__is_one_frame_without_an_id_on_every_stream_and_nothing_in_the_database(
    ada: User, streams: Streams
) -> None:
    opened = [await live_stream(streams, ada) for _ in range(2)]
    grace = await in_database_thread(make_user, "grace")
    other = await live_stream(streams, grace)
    before = await in_database_thread(lambda: (Event.objects.count(), Notification.objects.count()))
    await services.aemit(ada, progress(42, note="né", last={"z": 1, "a": 1e25}), topic="import:7")
    for stream in opened:
        event = await stream.expect(PROGRESS)
        assert event.id is None
        assert list(event.json) == ["id", "type", "topic", "at", "data"]
        assert UUID(event.json["id"]).version == 7
        assert TIME.fullmatch(event.json["at"])
        assert event.json == {
            "id": event.json["id"],
            "type": PROGRESS,
            "topic": "import:7",
            "at": event.json["at"],
            "data": {"percent": 42, "note": "né", "last": {"z": 1, "a": 1e25}},
        }
        assert event.data.isascii()
    assert await in_database_thread(lambda: (Event.objects.count(), Notification.objects.count())) == before
    await services.aemit([ada, grace], progress(43))
    for stream in (*opened, other):
        await stream.expect(PROGRESS)
    assert [percents(stream) for stream in (*opened, other)] == [[42, 43], [42, 43], [43]]


async def test_emit__to_many__each_once__in_order__without_a_query(ada: User, streams: Streams) -> None:
    grace = await in_database_thread(make_user, "grace")
    opened = [await live_stream(streams, user) for user in (ada, grace)]

    def emit_some() -> None:
        with CaptureQueriesContext(connection) as queries:
            services.emit([ada, str(grace.pk), ada.pk], progress(1))
            services.emit(ada.pk, progress(2))
            services.emit(range(10**9, 10**9 + MAX_ADDRESSED_SINGLY), progress(3))
            # To every process, no more to each user's group: the order holds all the same.
            services.emit([ada, grace, *range(10**9, 10**9 + MAX_ADDRESSED_SINGLY)], progress(4))
            services.emit({ada, grace}, progress(5))
        assert len(queries) == 0

    await in_database_thread(emit_some)
    for stream in opened:
        await stream.expect(PROGRESS, where=lambda event: event.json["data"]["percent"] == 5)
    assert [percents(stream) for stream in opened] == [[1, 2, 4, 5], [1, 4, 5]]


async def test_emit__inside_a_transaction_that_is_rolled_back__was_seen(ada: User, streams: Streams) -> None:
    stream = await live_stream(streams, ada)

    def emit_inside() -> None:
        with transaction.atomic():
            services.emit(ada, progress())
            transaction.set_rollback(True)

    await in_database_thread(emit_inside)
    await stream.expect(PROGRESS)


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("type=imports.*", True),
        ("type=orders.*", False),
        ("category=imports", True),
        ("category=orders", False),
        ("topic=import:7", True),
        ("topic=import:8", False),
        ("level=info", False),
        ("transient=false", False),
        ("transient=true", True),
        ("names=type", True),
    ],
)
async def test_stream__that_filters__hides_transient_events_too(
    ada: User, streams: Streams, query: str, is_shown: bool
) -> None:
    await send_to(ada)
    stream = await live_stream(streams, ada, query)
    plain = await live_stream(streams, ada)
    await services.aemit(ada, progress(), topic="import:7")
    await plain.expect(PROGRESS)
    await in_database_thread(services.mark_all_read, ada, up_to=1)
    await stream.expect("inbox.read")
    assert percents(stream) == [5] * is_shown


async def test_notify_then_emit__every_hint_lost__the_notification_comes_first(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "read_hint", lambda message: iter(()))
    with override_settings(NOTIFICATION_HUB=NEVER):
        plain = await live_stream(streams, ada)
        filtered = await live_stream(streams, ada, "type=imports.*")

        def notify_and_emit() -> None:
            for number in range(1, 21):
                send(ada)
                services.emit(ada, progress(number))

        await in_database_thread(notify_and_emit)
        for stream in (plain, filtered):
            await stream.expect(PROGRESS, where=lambda event: event.json["data"]["percent"] == 20)
    position = 0
    for event in plain.of_type(PROGRESS, "notification.created"):
        position = event.json.get("position", position)
        assert "percent" not in event.json.get("data", ()) or position >= event.json["data"]["percent"]
    assert percents(plain) == percents(filtered) == list(range(1, 21))


@pytest.mark.parametrize(
    ("event", "topic", "users", "fields"),
    [
        (UntypedEvent(type_name="stream.close", fields={}), "", 1, {"type"}),
        (UntypedEvent(type_name="run.text", fields={}), "", 1, {"type"}),
        (UntypedEvent(type_name="notification.created", fields={}), "", 1, {"type"}),
        (UntypedEvent(type_name="Bad", fields={"a": float("nan")}), "a,b", 1, {"type", "topic", "data"}),
        (progress(), "a\nb", 1, {"topic"}),
        (progress(), "a" * 101, 1, {"topic"}),
        (progress(), 5, 1, {"topic"}),
        (progress("\0"), "", 1, {"data"}),
        (progress(object()), "", 1, {"data"}),
        ("imports.file.progress", "", 1, {"type"}),
        (progress(), "", "not a key", {"recipient"}),
        (progress(), "", [1, None], {"recipient"}),
    ],
)
def test_emit__of_what_cannot_be__is_refused_by_its_field(
    event: Any, topic: Any, users: Any, fields: set[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.emit(users, event, topic=topic)
    assert set(refused.value.errors) == fields


def test_emit__of_16_kib__and_of_a_byte_more() -> None:
    fill = 16_384 - len('{"percent":5,"fill":""}')
    services.emit(1, progress(fill="x" * fill))
    with pytest.raises(TransientEventTooLarge, match="16 KiB"):
        services.emit(1, progress(fill="x" * (fill + 1)))
    services.emit(1, progress(fill="é" * (fill // 2)))  # two bytes each, however they are escaped
    with pytest.raises(TransientEventTooLarge):
        services.emit(1, progress(fill="é" * (fill // 2 + 1)))


@override_settings(NOTIFICATION_HUB={"strict_event_types": True})
def test_emit__of_a_type_that_a_strict_registry_does_not_know__is_refused() -> None:
    with pytest.raises(UnknownEventType):
        services.emit(1, progress(type_name="imports.file.unheard"))


@pytest.mark.shape("embedded")
async def test_layer_that_forgot_its_groups__the_next_look_joins_them_again(
    ada: User, streams: Streams
) -> None:
    with override_settings(NOTIFICATION_HUB={"reconcile_seconds": 0.2}):
        stream = await live_stream(streams, ada)
        layer: Any = get_channel_layer()
        layer.groups.clear()

        async def is_heard() -> bool:
            await services.aemit(ada, progress())
            return bool(percents(stream))

        await wait_until_async(is_heard)
        assert (await find_seal()).group(str(ada.pk)) in layer.groups


async def test_largest_event_with_the_longest_names__arrives(ada: User, streams: Streams) -> None:
    stream = await live_stream(streams, ada)
    name, topic = "imports." + "x" * 92, "\U0001f600" * 100
    fill = "x" * (16_384 - len('{"percent":5,"fill":""}'))
    await services.aemit(ada, progress(type_name=name, fill=fill), topic=topic)
    assert (await stream.expect(name)).json["topic"] == topic
