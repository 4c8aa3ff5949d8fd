"""``client=``, the limit of streams, what each stream leaves on record, and ``/streams`` (protocol, sections
5 and 6).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from notifications import selectors, services
from notifications.exceptions import StreamLimit
from notifications.inbox_log.inboxes import renew_epochs
from notifications.models import StreamSession, Worker
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.api import Api
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import make_token, make_user
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

STREAMS = "/api/v1/streams"
QUICK = {"reconcile_seconds": 0.1}


async def live(streams: Streams, user: User | None, query: str = "", **options: Any) -> AsgiStream:
    stream = await streams.open(user, query, **options)
    await stream.expect("stream.live")
    return stream


def key_of(stream: AsgiStream) -> UUID:
    return UUID(stream.events[0].json["stream"])


async def row_of(stream: AsgiStream) -> StreamSession:
    return await in_database_thread(StreamSession.objects.get, pk=key_of(stream))


async def wait_for(stream: AsgiStream, condition: Callable[[StreamSession], Any]) -> StreamSession:
    """The row of a stream, once a condition holds of it."""

    async def fitting() -> StreamSession | None:
        row = await row_of(stream)
        return row if condition(row) else None

    row = await wait_until_async(fitting)
    assert row is not None
    return row


async def ended(stream: AsgiStream) -> StreamSession:
    """The row of a stream that was ended, once that is on record."""
    return await wait_for(stream, lambda row: row.closed_at)


async def test_record__of_an_open_stream__says_who_and_from_where(ada: User, streams: Streams) -> None:
    await send_to(ada)
    client = str(uuid4())
    agent = "Mozilla/5.0 (X11; Linux x86_64)\x00\x07 Firefox/130.0 " + "x" * 500
    stream = await live(
        streams,
        ada,
        f"client={client.upper()}&after=earliest&level=info,error&type=a.b.*",
        headers={"user-agent": agent},
    )
    row = await row_of(stream)
    assert (row.user_id, str(row.client), row.address) == (ada.pk, client, "127.0.0.1")
    assert row.agent.startswith("Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0 xxx")
    assert len(row.agent) <= 300
    assert (row.opened_by, row.token_id) == ("session", None)
    assert (row.filters, row.resume) == ("type=a.b.*&level=error,info", "exact")
    assert (await in_database_thread(Worker.objects.get, pk=row.worker_id)).ended_at is None


async def test_record__says_by_what_credential(ada: User, streams: Streams) -> None:
    made = await in_database_thread(make_token, ada, "read")
    by_token = await live(streams, None, headers={"authorization": f"Bearer {made.text}"})
    by_ticket = await live(streams, None, f"ticket={services.issue_ticket(ada, token=made.token)}")
    rows = [await row_of(by_token), await row_of(by_ticket)]
    assert [(row.opened_by, row.token_id) for row in rows] == [
        ("token", made.token.pk),
        ("ticket", made.token.pk),
    ]


@override_settings(NOTIFICATION_HUB=QUICK)
async def test_record__tells_what_was_written_and_never_what_was_not(ada: User, streams: Streams) -> None:
    await send_to(ada)
    stream = await live(streams, ada)
    paused = await live(streams, ada)
    assert ((await row_of(stream)).start_position, (await row_of(stream)).position) == (1, 1)
    paused.may_take.clear()
    for _ in range(2):
        await send_to(ada)
    row = await wait_for(stream, lambda row: row.position == 3)
    assert (row.start_position, row.closed_at) == (1, None)
    assert (await row_of(paused)).position == 1
    paused.may_take.set()
    await wait_for(paused, lambda row: row.position == 3)


@override_settings(NOTIFICATION_HUB=QUICK)
async def test_record__after_a_new_epoch__begins_at_its_head(ada: User, streams: Streams) -> None:
    await send_to(ada)
    stream = await live(streams, ada, "after=earliest")
    await in_database_thread(renew_epochs, [ada.pk])
    reset = await stream.expect("stream.reset")
    row = await wait_for(stream, lambda row: row.epoch == reset.json["cursor"][:8])
    assert (row.start_position, row.position) == (1, 1)


@pytest.mark.parametrize("reason", ["client", "backlog", "shutdown", "slow"])
async def test_each_end__leaves_a_closed_row_with_reason_and_position(
    ada: User, streams: Streams, reason: str
) -> None:
    with override_settings(NOTIFICATION_HUB={"slow_reader_seconds": 0.5} if reason == "slow" else {}):
        await send_to(ada)
        query = "after=earliest" + ("&closeafter=live" if reason == "backlog" else "")
        stream = await live(streams, ada, query)
        if reason == "client":
            await stream.disconnect()
        elif reason == "shutdown":
            await current_runtime().drain()
            current_runtime().is_draining = False
        elif reason == "slow":
            stream.may_take.clear()
            await send_to(ada)
        row = await ended(stream)
    assert (row.reason, row.start_position, row.position) == (reason, 0, 1)
    assert row.opened_at <= row.closed_at  # type: ignore[operator]
    if reason == "shutdown":
        assert (await in_database_thread(Worker.objects.get, pk=row.worker_id)).ended_at is not None


@override_settings(NOTIFICATION_HUB={"database_watch_seconds": 60.0})
async def test_rotated__what_still_waited_is_sent_and_counts_as_written(ada: User, streams: Streams) -> None:
    stream = await live(streams, ada)
    (connection_here,) = current_runtime()._serving
    stream.may_take.clear()
    for position in (1, 2, 3):  # the first is being written, the others wait behind it
        await send_to(ada)
        await wait_until_async(lambda position=position: connection_here._position.considered == position)  # type: ignore[misc]
    connection_here.close("rotate")
    stream.may_take.set()
    assert (await stream.expect("stream.close")).json["reason"] == "rotate"
    assert stream.ids[-1].endswith("-3")
    row = await ended(stream)
    assert (row.reason, row.start_position, row.position) == ("rotate", 0, 3)


@override_settings(NOTIFICATION_HUB={"reconcile_seconds": 60.0}, CHANNEL_LAYERS={})
async def test_client__the_same__replaces_at_once_and_is_told_to_stay_away(
    ada: User, streams: Streams
) -> None:
    client = uuid4()
    stranger = await live(streams, await in_database_thread(make_user, "grace"), f"client={client}")
    first = await live(streams, ada, f"client={client}")
    other = await live(streams, ada, f"client={uuid4()}")
    second = await live(streams, ada, f"client={str(client).upper()}")
    close = await first.expect("stream.close")
    assert close.json == {"reason": "replaced", "reconnect": False, "retry_ms": 86_400_000}
    assert close.retry == 86_400_000
    assert (await ended(first)).reason == "replaced"
    await wait_for(first, lambda row: not row.requested_end)
    for stream in (second, other, stranger):
        assert stream.ended is None
        assert (await row_of(stream)).closed_at is None


@pytest.mark.parametrize("client", ["", "x", "0197f2a4-5d3b-7c11-9a55", "%00"])
async def test_client__that_is_no_uuid__400_by_its_name(ada: User, streams: Streams, client: str) -> None:
    answer = await streams.answer(ada, f"client={client}")
    document = json.loads(bytes(answer.raw))
    assert (answer.status, document["code"]) == (400, "invalid")
    assert set(document["errors"]) == ({"query"} if client == "%00" else {"client"})


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 2})
async def test_limit__429_or_a_stream_that_closes__and_a_slot_is_free_when_one_has_gone(
    ada: User, streams: Streams
) -> None:
    first, _ = await live(streams, ada), await live(streams, ada)
    refused = await streams.answer(ada)
    document = json.loads(bytes(refused.raw))
    assert (refused.status, document["code"]) == (429, "stream_limit")
    assert (document["limit"], "remaining" in document, "reset_at" in document) == (2, False, False)
    assert refused.headers["ratelimit"].startswith('"stream";r=')
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    as_stream = await streams.answer(ada, "on_limit=retry")
    (close,) = as_stream.events
    assert (as_stream.status, close.json["reason"], close.json["reconnect"]) == (200, "limit", True)
    assert 5_000 <= close.json["retry_ms"] <= 15_000
    assert close.retry == close.json["retry_ms"]
    assert await in_database_thread(StreamSession.objects.count) == 2
    await first.disconnect()
    await live(streams, ada)  # at once: what has ended here is written first


@override_settings(NOTIFICATION_HUB={"max_requests_per_minute": 2})
async def test_user__who_asks_too_often__429_before_a_slot_is_taken__and_nobody_else(
    ada: User, streams: Streams
) -> None:
    asked = await streams.answer(ada, method="HEAD")
    opened = await live(streams, ada)
    refused = await streams.answer(ada)
    document = json.loads(bytes(refused.raw))
    assert [answer.status for answer in (asked, opened, refused)] == [200, 200, 429]
    assert document["code"] == "throttled"
    seconds = int(refused.headers["retry-after"])
    assert 5 <= seconds <= 30  # less by what the machine took
    for answer, left in ((asked, "r=1;"), (opened, "r=0;"), (refused, f"r=0;t={seconds}")):
        assert answer.headers["ratelimit-policy"] == '"stream";q=2;w=60'
        assert answer.headers["ratelimit"].startswith(f'"stream";{left}')
    assert (document["limit"], document["remaining"]) == (2, 0)
    assert document["reset_at"].endswith("Z")
    as_stream = await streams.answer(ada, "on_limit=retry")
    assert as_stream.headers["ratelimit-policy"] == '"stream";q=2;w=60'
    (close,) = as_stream.events
    assert (close.json["reason"], close.json["reconnect"]) == ("limit", True)
    assert (await streams.answer(method="HEAD")).status == 401
    await live(streams, await in_database_thread(make_user, "grace"))
    assert await in_database_thread(StreamSession.objects.count) == 2


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 2})
async def test_limit__of_ten_at_once__two_get_in(ada: User, streams: Streams) -> None:
    asked = [await streams.open(ada) for _ in range(10)]
    await wait_until_async(lambda: all(stream.status for stream in asked))
    assert sorted(stream.status or 0 for stream in asked) == [200] * 2 + [429] * 8


@override_settings(NOTIFICATION_HUB={"max_streams_per_user": 1})
async def test_limit__an_end_that_is_written_while_slots_are_counted__still_counts(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await live(streams, ada)
    real, loop = services.open_stream, asyncio.get_running_loop()

    def count_first(*args: Any) -> services.OpenedStream:
        try:
            return real(*args)
        except StreamLimit:
            monkeypatch.undo()
            asyncio.run_coroutine_threadsafe(end_first(), loop).result(PATIENCE_SECONDS)
            raise

    async def end_first() -> None:
        await first.disconnect()
        await ended(first)

    monkeypatch.setattr(services, "open_stream", count_first)
    await live(streams, ada)
    assert services.open_stream is real  # it was counted too early


async def test_head__takes_no_slot(ada: User, streams: Streams) -> None:
    await streams.answer(ada, method="HEAD")
    assert await in_database_thread(StreamSession.objects.count) == 0


@override_settings(NOTIFICATION_HUB=QUICK)
async def test_record_that_fails__no_stream_is_refused_or_ends__and_all_is_written_later(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = services.write_sign_of_life, [0]

    def fail(*args: Any, **kwargs: Any) -> bool:
        failures[0] += 1
        raise OperationalError("for a moment")

    monkeypatch.setattr(services, "write_sign_of_life", fail)
    first, second = await live(streams, ada), await live(streams, ada)
    await first.disconnect()
    await send_to(ada)
    await second.expect("notification.created")
    await wait_until_async(lambda: failures[0] >= 4)
    assert (await row_of(first)).closed_at is None
    monkeypatch.setattr(services, "write_sign_of_life", real)
    await live(streams, ada)
    assert (await ended(first)).reason == "client"
    assert (await wait_for(second, lambda row: row.position == 1)).closed_at is None


@override_settings(NOTIFICATION_HUB=QUICK)
async def test_process__taken_for_lost_while_it_lives__opens_its_streams_again(
    ada: User, streams: Streams
) -> None:
    stream = await live(streams, ada)

    def lose() -> int:
        with override_settings(NOTIFICATION_HUB={"worker_lost_seconds": 1.0}):
            Worker.objects.update(seen_at="2020-01-01T00:00:00Z")
            return services.close_lost_streams()

    await wait_until_async(lambda: in_database_thread(lose))  # unless a sign of life came in between
    await wait_for(stream, lambda row: row.closed_at is None and not row.reason)
    await in_database_thread(Worker.objects.all().delete)
    await wait_until_async(lambda: in_database_thread(selectors.open_streams, ada.pk))
    assert stream.ended is None


@override_settings(NOTIFICATION_HUB=QUICK)
async def test_row__that_stands_open_without_a_stream__is_found_and_closed(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.streaming.process.stream_records.WRITES_PER_COMPARISON", 1)
    real = services.open_stream

    def open_and_fail(*args: Any) -> Any:
        real(*args)
        raise OperationalError("the answer was lost")

    monkeypatch.setattr(services, "open_stream", open_and_fail)
    assert (await streams.answer(ada)).status == 503
    monkeypatch.setattr(services, "open_stream", real)
    stream = await live(streams, ada)
    copy = await row_of(stream)
    asked = await row_of(stream)
    copy.pk, asked.pk, asked.requested_end, asked.closed_at = uuid4(), uuid4(), "revoked", asked.opened_at
    await in_database_thread(copy.save, force_insert=True)
    await in_database_thread(asked.save, force_insert=True)
    await wait_until_async(
        lambda: in_database_thread(
            lambda: [row.pk for row in selectors.open_streams(ada.pk)] == [key_of(stream)]
        )
    )
    assert (await in_database_thread(StreamSession.objects.get, pk=copy.pk)).reason == "lost"
    await wait_until_async(
        lambda: in_database_thread(lambda: not StreamSession.objects.exclude(requested_end="").exists())
    )


async def test_client__that_goes_while_its_stream_opens__leaves_no_slot(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, is_open, may_go_on = services.open_stream, asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def open_slowly(*args: Any) -> Any:
        opened = real(*args)
        loop.call_soon_threadsafe(is_open.set)
        asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(PATIENCE_SECONDS)
        return opened

    monkeypatch.setattr(services, "open_stream", open_slowly)
    stream = await streams.open(ada)
    await is_open.wait()
    await stream.disconnect()
    assert len(await in_database_thread(selectors.open_streams, ada.pk)) == 1
    may_go_on.set()
    await wait_until_async(lambda: in_database_thread(lambda: not selectors.open_streams(ada.pk)))
    assert (await in_database_thread(StreamSession.objects.get)).closed_at is not None


async def test_streams__are_listed_and_one_is_ended(ada: User, streams: Streams) -> None:
    await send_to(ada)
    client = uuid4()
    agent = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    first = await live(streams, ada, f"client={client}&category=orders", headers=agent)
    second = await live(streams, ada)
    stranger = await live(streams, await in_database_thread(make_user, "grace"))
    api = await in_database_thread(Api, ada)
    answer = await in_database_thread(api.get, STREAMS)
    listed = answer.json["results"]
    state = await in_database_thread(services.open_inbox, ada.pk)
    assert answer.status == 200
    assert listed[0] == {
        "id": str(key_of(first)),
        "client": str(client),
        "device": "Firefox on Linux",
        "agent": agent["user-agent"],
        "address": "127.0.0.1",
        "opened_by": "session",
        "opened_at": listed[0]["opened_at"],
        "filters": "category=orders",
        "resume": "none",
        "cursor": str(state.cursor),
    }
    assert listed[0]["opened_at"].endswith("Z")
    assert [row["id"] for row in listed] == [str(key_of(first)), str(key_of(second))]

    assert (await in_database_thread(api.ask, "DELETE", f"{STREAMS}/{key_of(first)}")).status == 204
    close = await first.expect("stream.close")
    assert (close.json["reason"], close.json["reconnect"]) == ("revoked", False)
    for key in (key_of(first), key_of(stranger), uuid4(), "x"):
        again = await in_database_thread(api.ask, "DELETE", f"{STREAMS}/{key}")
        assert (again.status, again.code) == (404, "not_found")
    rest = (await in_database_thread(api.get, STREAMS)).json["results"]
    assert [row["id"] for row in rest] == [str(key_of(second))]
    assert stranger.ended is second.ended is None


@pytest.mark.django_db(transaction=True)
def test_streams__by_token__needs_its_scopes_and_few_queries() -> None:
    user = make_user()
    reader = Api(token=make_token(user, "read").text)
    with CaptureQueriesContext(connection) as captured:
        assert reader.get(STREAMS).json == {"results": []}
    assert len(captured) == 2  # token, streams
    assert reader.ask("DELETE", f"{STREAMS}/{uuid4()}").status == 403
    assert Api(token=make_token(user, "inbox").text).ask("DELETE", f"{STREAMS}/{uuid4()}").status == 404
    assert Api().get(STREAMS).status == 401
    assert Api(user).send("POST", STREAMS, {}).status == 405
