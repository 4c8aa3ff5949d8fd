"""The stream with a bearer token (protocol, section 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.streaming.asgi import Headers
from notifications.streaming.credential import Credential
from notifications.streaming.database_threads import in_database_thread
from notifications.streaming.door import credentials
from tests.helpers.asgi import AsgiStream, Streams, send_to, stream_scope
from tests.helpers.factories import SPOILT, make_token, make_user, spoil


def code_of(answer: AsgiStream) -> str:
    document: dict[str, Any] = json.loads(bytes(answer.raw))
    assert document["status"] == answer.status
    return str(document["code"])


async def bearer_of(user: User, *scopes: str) -> dict[str, str]:
    return {"authorization": f"Bearer {(await in_database_thread(make_token, user, *scopes)).text}"}


async def test_token__with_read__opens_the_stream_of_its_user(ada: User, streams: Streams) -> None:
    grace = await in_database_thread(make_user, "grace")
    stream = await streams.open(grace, headers=await bearer_of(ada, "read"))
    await stream.expect("stream.live")
    await send_to(grace, "Not hers")
    await send_to(ada, "Hers")
    created = await stream.expect("notification.created")
    assert created.json["notification"]["title"] == "Hers"


@pytest.mark.parametrize("scopes", [("inbox",), ("publish",), ("inbox", "publish")])
async def test_token__without_read__403_that_names_it(
    ada: User, streams: Streams, scopes: tuple[str, ...]
) -> None:
    answer = await streams.answer(ada, headers=await bearer_of(ada, *scopes))
    assert (answer.status, code_of(answer)) == (403, "forbidden")
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="hub", error="insufficient_scope", scope="read"'
    )
    assert b"scope read;" in answer.raw


@pytest.mark.parametrize("how", SPOILT)
async def test_token__spoilt__401_and_never_the_cookie(ada: User, streams: Streams, how: str) -> None:
    grace = await in_database_thread(make_user, "grace")
    token, text = await in_database_thread(make_token, grace)
    await in_database_thread(spoil, token, how)
    answer = await streams.answer(ada, headers={"authorization": f"Bearer {text}"})
    assert (answer.status, code_of(answer)) == (401, "bad_credential")
    assert answer.headers["www-authenticate"] == 'Bearer realm="hub", error="invalid_token"'


@pytest.mark.parametrize(
    "header",
    [
        "Bearer {text}, Bearer {text}",
        "Basic YTpi, Bearer {text}",
        "Bearer {text} {text}",
        "Bearer \xff\xfe",
        "Bearer {text}\x00",
        "Bearer nhub_" + "a" * 43,
        "Bearer " + "x" * 60_000,
    ],
    ids=range(7),
)
async def test_bearer__malformed_repeated_or_unknown__401(ada: User, streams: Streams, header: str) -> None:
    text = (await in_database_thread(make_token, ada)).text
    answer = await streams.answer(ada, headers={"authorization": header.format(text=text)})
    assert (answer.status, code_of(answer)) == (401, "bad_credential")


async def test_header__sent_twice__401(ada: User, streams: Streams) -> None:
    authorization = (b"authorization", (await bearer_of(ada))["authorization"].encode())
    scope = stream_scope()
    scope["headers"] += [authorization, authorization]
    opened = AsgiStream(scope)
    await opened.wait_ended()
    assert (opened.status, code_of(opened)) == (401, "bad_credential")


async def test_scheme__of_a_proxy_before_the_site__leaves_the_session_alone(
    ada: User, streams: Streams
) -> None:
    stream = await streams.open(ada, headers={"authorization": "Basic YTpi"})
    await stream.expect("stream.live")


@pytest.mark.django_db(transaction=True)
def test_identity__by_token__one_query() -> None:
    token, text = make_token(make_user("ada"))
    headers = Headers(stream_scope(headers={"authorization": f"Bearer {text}"}))
    with CaptureQueriesContext(connection) as captured:
        assert credentials.identify(headers, None, True) == Credential(token.user_id, token.pk)
    assert len(captured) == 1
