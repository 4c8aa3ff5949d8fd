"""Tickets (protocol, section 2): asked for over REST, good for one stream, and for nothing else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import ApiToken, UsedTicket
from notifications.services import retention
from notifications.services.credentials import tickets
from notifications.streaming.database_threads import in_database_thread
from tests.helpers.api import TICKET, Answer, Api
from tests.helpers.asgi import AsgiStream, Streams, send_to
from tests.helpers.factories import make_token, make_user
from tests.helpers.together import run_together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def producer(transactional_db: None) -> User:
    user = make_user("shop")
    user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    return user


def ask(api: Api, body: Any = None, **options: Any) -> Answer:
    return api.ask("POST", TICKET, body=b"" if body is None else json.dumps(body).encode(), **options)


def problem(answer: AsgiStream) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bytes(answer.raw))
    assert document["status"] == answer.status
    return document


# --- asking for one


@pytest.mark.parametrize("body", [None, {}])
@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_ask__with_a_session_or_a_token__201(ada: User, body: Any, content_type: str) -> None:
    if body is not None and not content_type:
        content_type = "application/json; charset=utf-8"
    for api in (Api(ada), Api(token=make_token(ada, "read").text)):
        answer = ask(api, body, content_type=content_type)
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
        assert set(answer.json) == {"ticket", "expires_in"}
        assert answer.json["expires_in"] == 30
        ticket = services.check_ticket(answer.json["ticket"])
        assert ticket is not None
        assert ticket.user_id == ada.pk


def test_ask__costs_no_more_than_the_credential(ada: User) -> None:
    api = Api(token=make_token(ada, "read").text)
    with CaptureQueriesContext(connection) as captured:
        ask(api)
    assert len(captured) == 1


def test_ask__nobody_or_without_csrf__refused(ada: User) -> None:
    assert ask(Api()).code == "not_authenticated"
    assert ask(Api(ada, csrf=False)).code == "csrf_failed"


@pytest.mark.parametrize(
    ("scopes", "body", "missing"),
    [
        (["inbox", "publish"], {}, "read"),
        (["read", "inbox"], {"user": "ada"}, "publish"),
        (["publish"], None, "read"),
    ],
)
def test_ask__without_the_scope__403_that_names_it(
    producer: User, ada: User, scopes: list[str], body: Any, missing: str
) -> None:
    answer = ask(Api(token=make_token(producer, *scopes).text), body)
    assert (answer.status, answer.code) == (403, "forbidden")
    assert f"scope {missing};" in answer.problem["detail"]


def test_ask__for_a_named_user__as_a_producer(producer: User, ada: User) -> None:
    answer = ask(Api(token=make_token(producer, "publish").text), {"user": "ada"})
    assert answer.status == 201
    ticket = services.check_ticket(answer.json["ticket"])
    assert ticket is not None
    assert ticket.user_id == ada.pk


@pytest.mark.parametrize("limits", [{"types": ["orders.*"]}, {"topics": ["order:7"]}])
def test_ask__for_a_named_user__with_a_limited_token__403(producer: User, ada: User, limits: Any) -> None:
    answer = ask(Api(token=make_token(producer, "publish", **limits).text), {"user": "ada"})
    assert (answer.status, answer.code) == (403, "forbidden")


def test_ask__for_a_named_user__without_the_permission__403(producer: User, ada: User) -> None:
    watcher = make_user("watcher")
    watcher.user_permissions.add(Permission.objects.get(codename="view_content"))
    for api in (Api(token=make_token(ada, "publish").text), Api(producer), Api(watcher), Api(ada)):
        answer = ask(api, {"user": "ada"})
        assert (answer.status, answer.code) == (403, "forbidden")


def test_ask__for_a_named_user__with_a_session_that_may_view_content__as_a_producer(
    producer: User, ada: User
) -> None:
    producer.user_permissions.add(Permission.objects.get(codename="view_content"))
    for asking in (producer, make_user("root", is_superuser=True)):
        answer = ask(Api(asking), {"user": "ada"})
        assert answer.status == 201
        ticket = services.check_ticket(answer.json["ticket"])
        assert ticket is not None
        assert (ticket.user_id, ticket.requested_by_id) == (ada.pk, asking.pk)
        assert ticket.session_key


@pytest.mark.parametrize("name", ["nobody", "", "inactive", "ADA ", "x" * 10_000, "' OR 1=1 --"])
def test_ask__for_a_user_who_is_not_there__400(producer: User, ada: User, name: str) -> None:
    make_user("inactive", is_active=False)
    answer = ask(Api(token=make_token(producer, "publish").text), {"user": name})
    assert (answer.status, answer.code) == (400, "invalid")
    assert answer.problem["errors"] == {"user": "there is no active user of this name"}


@pytest.mark.parametrize(
    "body", [[], "ada", 1, {"user": None}, {"user": 7}, {"user": ["ada"]}, {"users": "ada"}, {"user": "a\0"}]
)
def test_ask__with_a_bad_body__400(producer: User, body: Any) -> None:
    for api in (Api(producer), Api(token=make_token(producer, "publish", "read").text)):
        answer = ask(api, body)
        assert (answer.status, answer.code) == (400, "invalid")
        assert answer.headers["Cache-Control"] == "no-store"


def test_ask__with_another_type_or_too_much__refused(ada: User) -> None:
    assert ask(Api(ada), {}, content_type="text/plain").code == "unsupported_media_type"
    assert Api(ada).ask("POST", TICKET, body=b'"' + b"x" * 2_000_000 + b'"').code == "too_large"


# --- worthless for anything else


def test_ticket__over_rest__is_no_credential(ada: User) -> None:
    text = services.issue_ticket(ada)
    for answer in (
        Api().get("", {"ticket": text}),
        Api().ask("POST", TICKET, query={"ticket": text}),
    ):
        assert (answer.status, answer.code) == (401, "not_authenticated")
    assert Api().get(Authorization=f"Bearer {text}").code == "bad_credential"
    assert services.check_ticket(text) is not None


async def test_ticket__as_a_bearer_token__401(ada: User, streams: Streams) -> None:
    headers = {"authorization": f"Bearer {services.issue_ticket(ada)}"}
    assert (await streams.answer(headers=headers)).status == 401


# --- opening a stream


async def test_stream__by_ticket__is_its_users_and_does_not_reconnect(ada: User, streams: Streams) -> None:
    grace = await in_database_thread(make_user, "grace")
    stream = await streams.open(grace, f"ticket={services.issue_ticket(ada)}")
    opened = await stream.expect("stream.open")
    assert opened.retry != 86_400_000
    await stream.expect("stream.live")
    await send_to(grace, "Not hers")
    await send_to(ada, "Hers")
    created = await stream.expect("notification.created")
    assert created.json["notification"]["title"] == "Hers"
    again = await streams.open(
        None, f"ticket={services.issue_ticket(ada)}&after={created.id}&closeafter=live"
    )
    await again.wait_ended()
    assert [event.type for event in again.events] == ["stream.open", "stream.live"]


@override_settings(NOTIFICATION_HUB={"max_stream_seconds": 1})
async def test_stream__by_ticket__its_close_says_not_to_come_back(ada: User, streams: Streams) -> None:
    stream = await streams.open(None, f"ticket={services.issue_ticket(ada)}")
    other = await streams.open(ada)
    close = await stream.expect("stream.close")
    assert close.json == {"reason": "rotate", "reconnect": False, "retry_ms": 86_400_000}
    assert close.retry == 86_400_000
    assert (await other.expect("stream.close")).json["reconnect"] is True


async def test_stream__refused_as_a_stream__does_not_come_back_either(
    ada: User, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError("the database is gone")

    monkeypatch.setattr("notifications.streaming.process.stream_records.services.open_stream", fail)
    stream = await streams.answer(None, f"on_limit=retry&ticket={services.issue_ticket(ada)}")
    (close,) = stream.events
    assert close.json == {"reason": "error", "reconnect": False, "retry_ms": 86_400_000}


async def test_ticket__used__401_and_never_the_cookie(ada: User, streams: Streams) -> None:
    query = f"ticket={services.issue_ticket(ada)}"
    first = await streams.open(None, query)
    await first.expect("stream.live")
    answer = await streams.answer(ada, query)
    assert (answer.status, problem(answer)["code"]) == (401, "bad_credential")
    assert answer.headers["www-authenticate"] == 'Bearer realm="hub", error="invalid_token"'


async def test_ticket__used_by_a_head__is_not_used_up(ada: User, streams: Streams) -> None:
    query = f"ticket={services.issue_ticket(ada)}"
    assert [(await streams.answer(None, query, method="HEAD")).status for _ in range(2)] == [200, 200]
    stream = await streams.open(None, query)
    await stream.expect("stream.live")
    assert (await streams.answer(None, query, method="HEAD")).status == 401


async def test_ticket__refused_before_who_asks__is_not_used_up(ada: User, streams: Streams) -> None:
    query = f"ticket={services.issue_ticket(ada)}"
    assert (await streams.answer(None, f"{query}&level=loud")).status == 400
    assert (await streams.answer(None, query, headers={"sec-fetch-site": "cross-site"})).status == 403
    await (await streams.open(None, query)).expect("stream.live")


async def test_ticket__with_a_token_as_well__400(ada: User, streams: Streams) -> None:
    query = f"ticket={services.issue_ticket(ada)}"
    text = (await in_database_thread(make_token, ada)).text
    answer = await streams.answer(None, query, headers={"authorization": f"Bearer {text}"})
    assert (answer.status, list(problem(answer)["errors"])) == (400, ["ticket"])
    await (await streams.open(None, query)).expect("stream.live")


@pytest.mark.parametrize(
    "text",
    ["", "x", "a:b:c", ":::", "%E2%98%83", "x" * 50_000, ".eJw:1:2", "nhub_" + "a" * 43, "%FF%FE", "null"],
    ids=range(10),
)
async def test_ticket__garbage__401_and_never_the_cookie(ada: User, streams: Streams, text: str) -> None:
    answer = await streams.answer(ada, f"ticket={text}")
    assert (answer.status, problem(answer)["code"]) == (401, "bad_credential")
    assert len(text) < 5 or text not in bytes(answer.raw).decode()


async def test_ticket__with_nul__400(ada: User, streams: Streams) -> None:
    assert (await streams.answer(ada, "ticket=%00")).status == 400


def test_ticket__any_character_changed__is_none(ada: User) -> None:
    text = services.issue_ticket(ada)
    for place, character in enumerate(text[:-1]):
        changed = text[:place] + ("A" if character != "A" else "B") + text[place + 1 :]
        assert services.use_ticket(changed) is None
    assert services.use_ticket(text) is not None


def test_ticket__signed_for_something_else__is_none(ada: User) -> None:
    content = ["0" * 32, str(ada.pk), str(ada.pk), None, None]
    assert services.use_ticket(signing.dumps(content)) is None
    assert services.use_ticket(signing.dumps(content, salt="django.contrib.sessions.backends")) is None


def test_ticket__lives_30_seconds(ada: User) -> None:
    now = timezone.now().replace(microsecond=0)
    with time_machine.travel(now, tick=False) as clock:
        text = services.issue_ticket(ada)
        clock.move_to(now + timedelta(seconds=30))
        assert services.check_ticket(text) is not None
        clock.move_to(now + timedelta(seconds=31))
        assert services.check_ticket(text) is None
        assert services.use_ticket(text) is None
    assert not UsedTicket.objects.exists()


def test_ticket__under_a_former_secret__passes(ada: User, settings: Any) -> None:
    text = services.issue_ticket(ada)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert services.check_ticket(text) is None
    settings.SECRET_KEY_FALLBACKS = [former]
    assert services.check_ticket(text) is not None


@pytest.mark.parametrize("how", ["inactive", "deleted", "revoked", "expired", "token deleted", "producer"])
def test_ticket__whose_user_or_token_is_good_no_more__is_none_and_not_used_up(
    ada: User, producer: User, how: str
) -> None:
    token = make_token(producer, "publish").token
    text = services.issue_ticket(ada, token=token)
    match how:
        case "inactive":
            User.objects.filter(pk=ada.pk).update(is_active=False)
        case "deleted":
            ada.delete()
        case "revoked":
            services.revoke_tokens([token.pk])
        case "expired":
            ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
        case "token deleted":
            token.delete()
        case _:
            User.objects.filter(pk=producer.pk).update(is_active=False)
    assert services.check_ticket(text) is None
    assert services.use_ticket(text) is None
    assert not UsedTicket.objects.exists()


def test_ticket__used_by_many_at_once__lets_one_in(ada: User) -> None:
    text = services.issue_ticket(ada)
    outcomes = run_together(*[lambda: services.use_ticket(text) for _ in range(8)])
    assert [outcome for outcome in outcomes if outcome is not None] == [(ada.pk, None, None, ada.pk)]


def test_queries__of_one_use(ada: User) -> None:
    own, asked = services.issue_ticket(ada), services.issue_ticket(ada, token=make_token(ada).token)
    for text, reads in ((own, 1), (asked, 2)):
        with CaptureQueriesContext(connection) as captured:
            services.use_ticket(text)
        statements = [query["sql"].split()[0] for query in captured]
        assert statements[:reads] == ["SELECT"] * reads
        assert [word for word in statements[reads:] if word not in ("BEGIN", "COMMIT")] == ["INSERT"]


def test_used_ones__are_forgotten_after_an_hour_in_parts(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_REMOVED", 2)

    def use_at(at: datetime) -> None:
        assert services.use_ticket(services.issue_ticket(ada)) is not None
        UsedTicket.objects.filter(used_at__gt=timezone.now() - timedelta(minutes=1)).update(used_at=at)

    for minutes in (61, 62, 63):
        use_at(timezone.now() - timedelta(minutes=minutes))
    use_at(timezone.now() - timedelta(minutes=59))
    assert [retention.USED_TICKETS.apply() for _ in range(3)] == [2, 1, 0]
    assert UsedTicket.objects.count() == 1
    with CaptureQueriesContext(connection) as captured:
        retention.USED_TICKETS.apply()
    assert len(captured) == 1
