"""``notification.shown``: what staff show again, on open streams and nowhere else (protocol, section 6)."""

from __future__ import annotations

from typing import Any

from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.test import override_settings

from notifications import services
from notifications.models import Notification
from notifications.streaming.addressing import EVERYBODY
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.hints import publisher
from notifications.streaming.hints.seal import find_seal
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import AsgiStream, Streams
from tests.helpers.factories import make_user, send
from tests.helpers.waiting import wait_until_async


async def live_stream(streams: Streams, user: User, query: str = "") -> AsgiStream:
    stream = await streams.open(user, query)
    await stream.expect("stream.live")
    joined = current_runtime()._hint_receiver._joined
    await wait_until_async(lambda: str(user.pk) in joined, what="the group to be joined")
    return stream


def shown(stream: AsgiStream) -> list[Any]:
    return [event.json["notification"]["title"] for event in stream.of_type("notification.shown")]


async def test_shown__is_the_object_without_an_id_on_the_recipients_streams_that_admit_it(
    transactional_db: None, streams: Streams
) -> None:
    ada, grace = await in_database_thread(make_user, "ada"), await in_database_thread(make_user, "grace")
    public_id = await in_database_thread(
        send, ada, "né <b>", level="warning", body="x" * 9_000, topic="order:7"
    )
    gone = await in_database_thread(send, ada, "gone")
    await in_database_thread(services.delete, ada, [gone])
    key, gone_key = await in_database_thread(
        lambda: list(Notification.objects.order_by("pk").values_list("pk", flat=True))
    )
    plain, warnings = [await live_stream(streams, ada, query) for query in ("", "level=warning")]
    errors, without = [await live_stream(streams, ada, query) for query in ("level=error", "transient=false")]
    others = await live_stream(streams, grace)
    # Forged or late: of somebody else, deleted, no key at all. None of them shows anybody anything.
    message = {
        "type": "notifications.show",
        "shows": [[str(ada.pk), gone_key], [str(grace.pk), 10**9], ["x", "y"], 7],
    }
    layer: Any = get_channel_layer()
    seal = await find_seal()
    await layer.group_send(seal.group(EVERYBODY), seal.seal(message))
    publisher.publish_shows([(ada.pk, key)])
    for stream in (plain, warnings):
        event = await stream.expect("notification.shown")
        assert event.id is None
        assert list(event.json) == ["at", "notification"]
        assert event.json["notification"]["id"] == str(public_id)
        assert event.json["notification"]["read_at"] is None
        assert event.data.isascii()
    after = await in_database_thread(send, ada, "after", level="error")
    for stream in (plain, errors, without):
        await stream.expect(
            "notification.created", where=lambda event: event.json["notification"]["id"] == str(after)
        )
    assert [shown(stream) for stream in (plain, warnings, errors, without, others)] == [
        ["né <b>"],
        ["né <b>"],
        [],
        [],
        [],
    ]


async def test_shown__for_another_than_its_recipient__is_shown_to_its_recipient_alone(
    transactional_db: None, streams: Streams
) -> None:
    ada, grace = await in_database_thread(make_user, "ada"), await in_database_thread(make_user, "grace")
    await in_database_thread(send, ada, "private")
    key = await in_database_thread(lambda: Notification.objects.get().pk)
    theirs = await live_stream(streams, grace)
    publisher.publish_shows([(grace.pk, key)])
    await in_database_thread(send, grace, "after")
    await theirs.expect("notification.created")
    assert shown(theirs) == []


async def test_replay__shows_it_again_on_a_stream(transactional_db: None, streams: Streams) -> None:
    ada = await in_database_thread(make_user, "ada", is_superuser=True)
    public_id = await in_database_thread(send, ada, "again")
    stream = await live_stream(streams, ada)
    with override_settings(NOTIFICATION_HUB={"reconcile_seconds": 300.0}):
        await in_database_thread(replay, ada, public_id)
        assert (await stream.expect("notification.shown")).json["notification"]["title"] == "again"


def replay(ada: User, public_id: Any) -> None:
    job = services.start_replay(
        "show",
        services.Selection(ids=[public_id]),
        reason="r",
        owner=ada,
        total_count=1,
        provenance=services.Provenance(by="ada", via="admin"),
    )
    while services.run_replay_chunk(job.pk):
        pass
