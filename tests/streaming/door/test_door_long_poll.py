"""``changes?wait=``: waits for what its filters admit, and then is the same request as without ``wait``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels.routing import URLRouter
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import override_settings

from notifications import payloads, services
from notifications.models import Inbox
from notifications.rest.http.handler import HubASGIHandler
from notifications.selectors import InboxState
from notifications.serving.routing import http_routes
from notifications.signals import streams_changed
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door import long_poll
from notifications.streaming.door.long_poll import MAX_WAIT_SECONDS, clamp_wait
from notifications.streaming.process import long_polls, revocation
from notifications.streaming.process.runtime import current_runtime
from tests.helpers.asgi import Streams, send_to, session_cookie, stream_scope
from tests.helpers.factories import order_event, send
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until_async

QUICK = {"reconcile_seconds": 0.2}


class Asked:
    """One request that is under way."""

    def __init__(self, application: Any, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.messages: list[Any] = []
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.task = asyncio.create_task(application(scope, self._incoming.get, self.send))

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    def disconnect(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def answer(self, seconds: float = PATIENCE_SECONDS) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(seconds):
            await self.task
        start, *parts = self.messages
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(part["body"] for part in parts)

    async def json(self, seconds: float = PATIENCE_SECONDS) -> Any:
        status, _, body = await self.answer(seconds)
        assert status == 200, body
        return json.loads(body)


Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def state(ada: User) -> InboxState:
    await send_to(ada)
    return await in_database_thread(services.open_inbox, ada.pk)


@pytest.fixture
def passed_on() -> list[Any]:
    """What Django was asked."""
    return []


@pytest.fixture
async def ask(ada: User, state: InboxState, passed_on: list[Any]) -> AsyncIterator[Ask]:
    """Asks for the changes after the head: `await ask("wait=5")`."""
    django = HubASGIHandler()

    async def note(scope: Any, receive: Any, send: Any) -> None:
        passed_on.append(scope)
        await django(scope, receive, send)

    application = URLRouter(http_routes(note))
    cookie = await session_cookie(ada)
    asked: list[Asked] = []
    streams = Streams()

    async def begin(query: str, *, after: str = str(state.cursor), **options: Any) -> Asked:
        options = {"cookie": cookie, "headers": {"accept": "application/json"}, **options}
        scope = stream_scope(f"after={after}&{query}" if after else query, **options)
        asked.append(Asked(application, {**scope, "path": "/api/v1/notifications/changes"}))
        return asked[-1]

    with override_settings(NOTIFICATION_HUB=QUICK):
        yield begin
        for each in asked:
            each.disconnect()
        await asyncio.gather(*(each.task for each in asked), return_exceptions=True)
        await streams.close()


def waiting_count() -> int:
    return len(current_runtime().long_polls.polls)


async def waits(asked: Asked, count: int = 1) -> None:
    await wait_until_async(lambda: waiting_count() == count, what="a poll that waits")
    assert not asked.task.done()


async def test_nothing_new__waits_until_there_is__and_answers_it(ask: Ask, ada: User) -> None:
    asked = await ask("wait=25")
    await waits(asked)
    await send_to(ada, "Now")
    answer = await asked.json()
    assert [change["notification"]["title"] for change in answer["changes"]] == ["Now"]
    assert (waiting_count(), len(current_runtime().fanout)) == (0, 0)


async def test_nothing_new__answers_so_when_the_time_is_over(ask: Ask, state: InboxState) -> None:
    answer = await (await ask("wait=0.2")).json()
    assert answer == {"changes": [], "cursor": str(state.cursor), "has_more": False, "unread_count": 1,
                      "inbox": payloads.inbox_name(state.user_id)}  # fmt: skip


async def test_something_new__answers_at_once(ask: Ask, state: InboxState) -> None:
    asked = await ask("wait=25", after=f"{state.epoch}-0")
    assert len((await asked.json())["changes"]) == 1


async def test_filters__only_what_they_admit_is_news(ask: Ask, ada: User, state: InboxState) -> None:
    asked = await ask("wait=25&type=imports.*", after=f"{state.epoch}-0")
    await waits(asked)
    (inbox,) = current_runtime().fanout
    await send_to(ada)
    await wait_until_async(lambda: inbox.position == 2)
    await waits(asked)
    await send_to(ada, "Ready", event=order_event(type_name="imports.file.progress"))
    answer = await asked.json()
    assert [change["notification"]["title"] for change in answer["changes"]] == ["Ready"]
    assert answer["cursor"] == f"{state.epoch}-3"
    other = await ask("wait=25&type=imports.*", after=answer["cursor"])
    await waits(other)
    await in_database_thread(services.mark_all_read, ada)
    assert [change["change"] for change in (await other.json())["changes"]] == ["inbox.read"]


async def test_answer__is_the_same_as_without_wait(ask: Ask, ada: User, state: InboxState) -> None:
    asked = await ask("wait=25&limit=1")
    await waits(asked)
    await in_database_thread(lambda: [send(ada) for _ in range(3)])
    status, headers, body = await asked.answer()
    plain = await (await ask("limit=1")).answer()
    await wait_until_async(lambda: json.loads(body))
    changes = json.loads(body)["changes"]
    assert changes == json.loads(plain[2])["changes"]
    assert (status, headers.keys()) == (plain[0], plain[1].keys())


@pytest.mark.parametrize("wait", ["", "0", "-1", "nan", "abc", "1s", "5,", "\N{ARABIC-INDIC DIGIT FIVE}x"])
async def test_wait__that_is_none__does_not_wait(ask: Ask, wait: str) -> None:
    assert (await (await ask(f"wait={wait}")).json())["changes"] == []


def test_wait__is_clamped() -> None:
    assert [clamp_wait(text) for text in ("25", "26", "1e9", "inf", "-inf", "0.5")] == [
        MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, 0, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "after", "status"),
    [
        ("wait=25", "", 200),
        ("wait=25", "nonsense", 400),
        ("wait=25", "abcdefgh-1", 410),
        ("wait=25", "{epoch}-99", 410),
        ("wait=25&limit=501", None, 400),
        ("wait=25&limit=x", None, 400),
        ("wait=25&level=none", None, 400),
        ("wait=25&event=orders", None, 400),
        ("wait=25&type=%00", None, 400),
        ("wait=25&token=x", None, 400),
    ],
)
async def test_what_has_nothing_to_wait_for__is_answered_at_once(
    ask: Ask, state: InboxState, query: str, after: str | None, status: int
) -> None:
    cursor = str(state.cursor) if after is None else after.format(epoch=state.epoch)
    assert (await (await ask(query, after=cursor)).answer())[0] == status


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"cookie": ""}, 401),
        ({"headers": {"authorization": "Bearer hub_wrong"}}, 401),
        ({"headers": {"host": "elsewhere.example"}}, 400),
        ({"method": "HEAD"}, 200),
        ({"method": "POST"}, 403),
    ],
)
async def test_whoever_may_not_wait__is_answered_at_once(ask: Ask, options: Any, status: int) -> None:
    assert (await (await ask("wait=25", **options)).answer())[0] == status


async def test_client_that_goes_away__leaves_nothing_behind(ask: Ask, passed_on: list[Any]) -> None:
    asked = await ask("wait=25")
    await waits(asked)
    asked.disconnect()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asked.task
    assert asked.messages == passed_on == []
    assert (waiting_count(), len(current_runtime().fanout)) == (0, 0)


async def test_process_that_stops__answers_whoever_waits_and_lets_nobody_begin(ask: Ask) -> None:
    asked = await ask("wait=25")
    await waits(asked)
    current_runtime().is_draining = True
    current_runtime().long_polls.end_all()
    try:
        assert (await asked.json())["changes"] == []
        assert (await (await ask("wait=25")).json())["changes"] == []
    finally:
        current_runtime().is_draining = False


@pytest.mark.parametrize("is_told", [True, False], ids=["by a look", "at a tick"])
async def test_right_that_ends__ends_the_wait_with_401(
    ask: Ask,
    ada: User,
    state: InboxState,
    passed_on: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    is_told: bool,
) -> None:
    if is_told:
        monkeypatch.setattr(revocation, "MAX_TICK_SECONDS", 300.0)
    with override_settings(NOTIFICATION_HUB={"reconcile_seconds": 300.0 if is_told else 0.2}):
        asked = await ask("wait=25")
        await waits(asked)
        await in_database_thread(Session.objects.all().delete)
        if is_told:
            await in_database_thread(lambda: streams_changed.send_robust(sender=None, user_ids=[ada.pk]))
        assert (await asked.answer())[0] == 401
    assert len(passed_on) == 1
    assert waiting_count() == 0


async def test_positions_reused__whoever_waits_is_told(ask: Ask, ada: User) -> None:
    asked = await ask("wait=25")
    await waits(asked)
    (inbox,) = current_runtime().fanout
    await in_database_thread(lambda: Inbox.objects.filter(pk=ada.pk).update(epoch="zzzzzzzz"))
    inbox.restart("epoch", "zzzzzzzz", 1)
    status, _, body = await asked.answer()
    assert (status, json.loads(body)["code"]) == (410, "cursor_epoch")


@pytest.mark.parametrize(("bound", "admitted"), [("MAX_LONG_POLLS", 2), ("MAX_LONG_POLLS_PER_USER", 2)])
async def test_more_than_may_wait__are_answered_at_once(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, bound: str, admitted: int
) -> None:
    monkeypatch.setattr(long_polls, bound, admitted)
    first, second = await ask("wait=25"), await ask("wait=25")
    await waits(first, count=2)
    assert (await (await ask("wait=25")).json())["changes"] == []
    await waits(second, count=2)


@pytest.mark.usefixtures("state")
async def test_body__that_nobody_asked_for__is_passed_on_whole(ask: Ask) -> None:
    seen: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            seen.append(message["body"])

    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    bodies = [b"x" * 40_000, b"y" * 40_000, b"z"]
    for body in bodies:
        incoming.put_nowait({"type": "http.request", "body": body, "more_body": True})
    waiting_one = await ask("wait=25")
    scope = {**waiting_one.scope, "query_string": waiting_one.scope["query_string"] + b"&limit=2"}
    asked = asyncio.create_task(long_poll.poll(scope, incoming.get, waiting_one.send, application))
    await wait_until_async(lambda: len(b"".join(seen)) >= sum(map(len, bodies)))
    assert b"".join(seen) == b"".join(bodies)
    incoming.put_nowait({"type": "http.disconnect"})
    await asked
