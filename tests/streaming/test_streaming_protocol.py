"""The stream as section 6 of the protocol has it, asked in the test's own loop on a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import override_settings

from notifications import payloads, selectors, services
from notifications.models import Inbox
from notifications.protocol.problems import PROBLEMS
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.metrics import METRICS
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import order_event

CHANGES = (
    "notification.created",
    "notification.read",
    "notification.unread",
    "notification.deleted",
    "inbox.read",
)


def problem(answer: AsgiStream) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bytes(answer.raw))
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.raw))
    assert document["status"] == answer.status == PROBLEMS[document["code"]].status
    assert document["title"]
    assert document["detail"]
    return document


async def state_of(user: User) -> selectors.InboxState:
    return await in_database_thread(services.open_inbox, user.pk)


async def test_open__a_first_touch__makes_the_inbox_and_starts_now(ada: User, streams: Streams) -> None:
    stream = await streams.open(ada)
    opened = await stream.expect("stream.open")
    live = await stream.expect()
    inbox = await state_of(ada)
    assert opened.json == {
        "stream": opened.json["stream"],
        "inbox": payloads.inbox_name(ada.pk),
        "cursor": f"{inbox.epoch}-0",
        "head": f"{inbox.epoch}-0",
        "unread_count": 0,
        "heartbeat": 15,
        "filters": {},
        "resume": "none",
    }
    assert stream.scope["headers"] == []  # nobody keeps the credential for as long as the stream is open
    assert opened.id == opened.json["cursor"]
    assert opened.retry is not None
    assert (live.type, live.id, live.json) == (
        "stream.live",
        opened.id,
        {"cursor": opened.id, "replayed": 0},
    )


async def test_headers__are_those_of_the_protocol(ada: User, streams: Streams) -> None:
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["x-content-type-options"] == "nosniff"
    assert not {"connection", "transfer-encoding", "keep-alive", "content-length"} & set(stream.headers)


async def test_head__has_the_headers_of_the_stream_and_no_body(ada: User, streams: Streams) -> None:
    answer = await streams.answer(ada, method="HEAD")
    assert (answer.status, bytes(answer.raw)) == (200, b"")
    stream = await streams.open(ada)
    await stream.expect("stream.open")
    for headers in (answer.headers, stream.headers):
        assert headers.pop("ratelimit").startswith('"stream";r=')
    assert answer.headers == stream.headers  # no length either: nobody knows that of a stream
    assert (await streams.answer(method="HEAD")).status == 401


async def test_live__each_kind_of_change__has_its_frame(ada: User, streams: Streams) -> None:
    stream = await streams.open(ada)
    await stream.expect("stream.live")
    first = await send_to(ada, "One")
    await in_database_thread(services.mark_read, ada, [first])
    await in_database_thread(services.mark_unread, ada, [first])
    await in_database_thread(services.mark_all_read, ada)
    await in_database_thread(services.delete, ada, [first])
    came = [await stream.expect() for _ in range(5)]
    inbox = await state_of(ada)
    assert [event.type for event in came] == [
        "notification.created",
        "notification.read",
        "notification.unread",
        "inbox.read",
        "notification.deleted",
    ]
    for position, event in enumerate(came, 1):
        body = event.json
        assert (event.id, body["cursor"]) == (f"{inbox.epoch}-{position}",) * 2
        assert (body["change"], body["position"]) == (event.type, position)
    assert [event.json["unread_count"] for event in came] == [1, 0, 1, 0, 0]
    assert came[1].json["notification"]["read_at"] == came[1].json["at"]
    assert came[3].json["up_to"] == 3
    assert came[3].json["category"] is None
    assert "notification" not in came[3].json
    assert came[4].json["notification"] == {"id": str(first)}
    assert came[4].json["reason"] == "user"


async def test_resume__from_each_cursor__exactly_the_next_changes(ada: User, streams: Streams) -> None:
    for number in range(6):
        await send_to(ada, f"No {number}")
    inbox = await state_of(ada)
    for position in range(7):
        stream = await streams.open(ada, f"after={inbox.epoch}-{position}&closeafter=live")
        assert await stream.wait_ended() == "clean"
        opened, *backlog, live = stream.events
        assert (opened.json["resume"], opened.id) == ("exact", f"{inbox.epoch}-{position}")
        assert [event.id for event in backlog] == [
            f"{inbox.epoch}-{after}" for after in range(position + 1, 7)
        ]
        assert live.json == {"cursor": f"{inbox.epoch}-6", "replayed": 6 - position}


@override_settings(NOTIFICATION_HUB={"max_backlog_page": 2})
async def test_resume__many_pages__no_change_is_lost_or_repeated(ada: User, streams: Streams) -> None:
    for number in range(7):
        await send_to(ada, f"No {number}")
    stream = await streams.open(ada, "after=earliest")
    live = await stream.expect("stream.live")
    assert live.json["replayed"] == 7
    assert [event.json["position"] for event in stream.of_type(*CHANGES)] == list(range(1, 8))


async def test_frame__live_resumed_and_polled__same_bytes(ada: User, streams: Streams) -> None:
    live = await streams.open(ada)
    await live.expect("stream.live")
    first = await send_to(ada, 'Ünï"\\ \u2028</script>', body="two\nlines", topic="order:7", actor="grace")
    await in_database_thread(services.mark_read, ada, [first])
    await in_database_thread(services.mark_unread, ada, [first])
    await in_database_thread(services.mark_all_read, ada)
    await live.expect("inbox.read")
    resumed = await streams.answer(ada, "after=earliest&closeafter=live")

    def changes_of(stream: AsgiStream) -> list[str]:
        return [event.data for event in stream.of_type(*CHANGES)]

    inbox = await state_of(ada)
    rows = await in_database_thread(selectors.changes_after, ada.pk, after=0, up_to=inbox.head, limit=10)
    assert changes_of(live) == changes_of(resumed)
    assert changes_of(live) == [payloads.change_json(row, inbox.epoch).decode() for row in rows]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "malformed"),
        ("{epoch}-01", "malformed"),
        ("zzzzzzzz-1", "epoch"),
        ("{epoch}-3", "ahead"),
        ("{epoch}-9999999999999999", "ahead"),
        ("{epoch}-0", "expired"),
    ],
)
@pytest.mark.parametrize("by_header", [True, False])
async def test_unusable_cursor__one_reset_in_the_same_write_and_the_stream_goes_on(
    ada: User, streams: Streams, text: str, reason: str, by_header: bool
) -> None:
    await send_to(ada)
    await send_to(ada)
    await in_database_thread(Inbox.objects.filter(pk=ada.pk).update, floor=1)
    inbox = await state_of(ada)
    cursor = text.format(epoch=inbox.epoch)
    headers = {"last-event-id": cursor} if by_header else {}
    stream = await streams.open(ada, "" if by_header else f"after={cursor}", headers=headers)
    await stream.expect("stream.live")
    opened, reset, live = stream.events
    assert (stream.status, opened.type, opened.id, opened.json["resume"]) == (
        200,
        "stream.open",
        None,
        "reset",
    )
    assert stream.arrived_at[0] == stream.arrived_at[1]
    assert (reset.type, reset.id) == ("stream.reset", str(inbox.cursor))
    assert reset.json == {"reason": reason, "cursor": str(inbox.cursor)}
    assert live.json == {"cursor": str(inbox.cursor), "replayed": 0}
    await send_to(ada)
    assert (await stream.expect("notification.created")).json["position"] == 3


async def test_cursor_of_another_user__looks_like_another_epoch(
    ada: User, grace: User, streams: Streams
) -> None:
    await send_to(grace, "A secret")
    cursor = (await state_of(grace)).cursor
    stream = await streams.open(ada, f"after={cursor}")
    await stream.expect("stream.live")
    assert stream.events[1].json["reason"] == "epoch"
    assert b"secret" not in stream.raw


async def test_last_event_id__header__wins_over_the_url(ada: User, streams: Streams) -> None:
    for _ in range(3):
        await send_to(ada)
    inbox = await state_of(ada)
    headers = {"last-event-id": f"{inbox.epoch}-2"}
    stream = await streams.answer(ada, "after=earliest&closeafter=live", headers=headers)
    assert [event.json["position"] for event in stream.of_type(*CHANGES)] == [3]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("category=orders", ["shipped", "late"]),
        ("type=orders.order.shipped", ["shipped"]),
        ("type=orders.order.*", ["shipped", "late"]),
        ("type=orders.order.shipped,jobs.job.done", ["shipped", "job"]),
        ("topic=order:7", ["shipped"]),
        ("level=error&level=warning", ["late"]),
        ("category=jobs,orders", ["shipped", "late", "job"]),
        ("category=orders&level=warning", ["late"]),
        ("category=other", []),
        ("categories=jobs&category=orders&levels=info", ["shipped", "job"]),
    ],
)
async def test_filters__hide_what_does_not_match__live_and_resumed(
    ada: User, streams: Streams, query: str, titles: list[str]
) -> None:
    live = await streams.open(ada, query)
    await live.expect("stream.live")
    kinds: list[tuple[str, str, dict[str, str]]] = [
        ("shipped", "orders.order.shipped", {"topic": "order:7"}),
        ("late", "orders.order.late", {"level": "warning"}),
        ("job", "jobs.job.done", {}),
    ]
    for title, name, options in kinds:
        public_id = await send_to(ada, title, event=order_event(type_name=name), **options)
        await in_database_thread(services.mark_read, ada, [public_id])
        await in_database_thread(services.mark_unread, ada, [public_id])
    await in_database_thread(services.mark_all_read, ada)
    await live.expect("inbox.read")
    resumed = await streams.answer(ada, f"after=earliest&closeafter=live&{query}")
    for name in ("notification.created", "notification.read", "notification.unread"):
        assert [event.json["notification"]["title"] for event in live.of_type(name)] == titles
    assert [e.data for e in live.of_type(*CHANGES)] == [e.data for e in resumed.of_type(*CHANGES)]


@pytest.mark.shape("embedded")
async def test_filters__as_they_were_understood__stand_in_the_first_frame(
    ada: User, streams: Streams
) -> None:
    stream = await streams.answer(ada, "categories=orders,jobs&category=billing&types=a.b.*&closeafter=live")
    opened = stream.of_type("stream.open")[0].json
    assert opened["filters"] == {"category": ["billing", "jobs", "orders"], "type": ["a.b.*"]}


@pytest.mark.shape("embedded")
@pytest.mark.parametrize(
    "query", ["event=orders", "tags=x", "channel=user-1", "category[]=orders", "eventTypes=a"]
)
async def test_filters__that_are_none__are_refused(ada: User, streams: Streams, query: str) -> None:
    answer = await streams.answer(ada, query)
    refusal = json.loads(answer.raw)
    assert (answer.status, refusal["code"]) == (400, "unknown_filter")
    assert list(refusal["errors"]) == [query.partition("=")[0]]


@override_settings(NOTIFICATION_HUB={"heartbeat_seconds": 5})
async def test_heartbeat__moves_a_filtered_cursor_on(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.streaming.timing.MIN_HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr("notifications.streaming.timing.clamp_heartbeat", lambda text: 0.2)
    stream = await streams.open(ada, "category=other")
    await stream.expect("stream.live")
    await send_to(ada)
    inbox = await state_of(ada)
    beat = await stream.expect("stream.heartbeat", where=lambda event: event.id == str(inbox.cursor))
    assert beat.json == {"cursor": beat.id, "head": str(inbox.cursor), "at": beat.json["at"]}
    assert beat.json["at"].endswith("Z")


async def test_names_type__a_created_notification_goes_by_its_type(ada: User, streams: Streams) -> None:
    typed = await streams.open(ada, "names=type")
    plain = await streams.open(ada)
    await typed.expect("stream.live")
    await plain.expect("stream.live")
    public_id = await send_to(ada)
    await in_database_thread(services.mark_read, ada, [public_id])
    by_type = await typed.expect("orders.order.shipped")
    by_change = await plain.expect("notification.created")
    assert (by_type.data, by_type.id) == (by_change.data, by_change.id)
    assert by_type.json["change"] == "notification.created"
    assert (await typed.expect("notification.read")).json["position"] == 2
    resumed = await streams.answer(ada, "names=type&after=earliest&closeafter=live")
    assert [event.type for event in resumed.events[1:-1]] == ["orders.order.shipped", "notification.read"]


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"method": "POST"}, 405, "method_not_allowed"),
        ({"headers": {"host": "evil.example"}}, 400, "bad_request"),
        ({"query": "x" * 70_000}, 414, "uri_too_long"),
        ({"headers": {"x": "x" * 70_000}}, 431, "headers_too_large"),
        ({"headers": {"sec-fetch-site": "cross-site"}}, 403, "cross_site"),
        ({"headers": {"accept": "text/html"}}, 406, "not_acceptable"),
        ({"query": "token=x"}, 400, "invalid"),
        ({"query": "level=loud"}, 400, "invalid"),
        ({"query": "x=%00"}, 400, "invalid"),
    ],
)
async def test_refusal__before_the_database_is_touched__is_a_problem(
    streams: Streams, options: dict[str, Any], status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("door.endpoint", "process.stream_records"):
        monkeypatch.setattr(f"notifications.streaming.{module}.in_database_thread", None)
    answer = await streams.answer(**options)
    assert (answer.status, problem(answer)["code"]) == (status, code)
    assert ("errors" in problem(answer)) is (code == "invalid")


async def test_method__405_names_the_methods_and_counts(streams: Streams) -> None:
    refused_count = METRICS.refused["method_not_allowed"]
    assert (await streams.answer(method="PUT")).headers["allow"] == "GET, HEAD"
    assert METRICS.refused["method_not_allowed"] == refused_count + 1


async def test_no_credential__401_with_a_challenge(streams: Streams) -> None:
    answer = await streams.answer()
    assert problem(answer)["code"] == "not_authenticated"
    assert answer.headers["www-authenticate"] == 'Bearer realm="hub"'


@pytest.mark.parametrize("value", ["Bearer x", "bearer x", "BEARER", "Bearer "])
async def test_bad_bearer__401_and_never_the_cookie(ada: User, streams: Streams, value: str) -> None:
    answer = await streams.answer(ada, headers={"authorization": value})
    assert problem(answer)["code"] == "bad_credential"
    assert answer.headers["www-authenticate"] == 'Bearer realm="hub", error="invalid_token"'


@pytest.mark.parametrize(
    "cookie",
    [
        "{name}=",
        "{name}=unknownunknownunknownunknownunkn",
        '{name}="\\000\\000\\000\\000\\000\\000\\000\\000\\000"',
        "{name}=ünïcödé",
        "{name}=" + "x" * 5_000,
        ";;;=;{name}",
    ],
)
async def test_bad_cookie__401(streams: Streams, cookie: str) -> None:
    answer = await streams.answer(cookie=cookie.format(name=settings.SESSION_COOKIE_NAME))
    assert answer.status == 401


@pytest.mark.parametrize("field", ["is_active", "password", "backend", "hash", "user"])
async def test_session_that_is_good_no_more__401_and_is_not_touched(
    ada: User, streams: Streams, field: str
) -> None:
    first = await streams.open(ada)
    await first.expect("stream.live")
    await in_database_thread(spoil, ada, field)
    before = await in_database_thread(lambda: list(Session.objects.values_list()))
    assert (await streams.answer(ada)).status == 401
    assert await in_database_thread(lambda: list(Session.objects.values_list())) == before


def spoil(user: User, field: str) -> None:
    if field == "is_active":
        user.is_active = False
        user.save()
        return
    if field == "password":
        user.set_password("another")
        user.save()
        return
    store = SessionStore(Session.objects.get().session_key)
    name, value = {
        "backend": ("_auth_user_backend", "gone.Backend"),
        "hash": ("_auth_user_hash", ""),
        "user": ("_auth_user_id", "no number"),
    }[field]
    store[name] = value
    store.save()


async def test_session_under_an_older_secret__passes_and_its_key_is_not_cycled(
    ada: User, streams: Streams
) -> None:
    first = await streams.open(ada)
    await first.expect("stream.live")
    before = await in_database_thread(lambda: list(Session.objects.values_list("session_key")))
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        second = await streams.open(ada)
        await second.expect("stream.live")
    assert await in_database_thread(lambda: list(Session.objects.values_list("session_key"))) == before


@override_settings(NOTIFICATION_HUB={"cors_origins": ("https://app.example",)})
async def test_listed_origin__may_read_stream_and_refusals(ada: User, streams: Streams) -> None:
    headers = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
    stream = await streams.open(ada, headers=headers)
    await stream.expect("stream.live")
    refused = await streams.answer(headers=headers)
    for answer in (stream, refused):
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    preflight = await streams.answer(method="OPTIONS", headers=asked)
    assert preflight.status == 204


async def test_database_down__503_or_a_stream_that_closes(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError("the database is gone")

    monkeypatch.setattr("notifications.streaming.process.stream_records.services.open_stream", fail)
    answer = await streams.answer(ada)
    assert (answer.status, problem(answer)["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"].isdigit()
    stream = await streams.answer(ada, "on_limit=retry")
    (close,) = stream.events
    assert (stream.status, close.type, close.id) == (200, "stream.close", None)
    assert close.json == {"reason": "error", "reconnect": True, "retry_ms": close.retry}
