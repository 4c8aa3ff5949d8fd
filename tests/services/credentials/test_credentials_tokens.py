"""API tokens as the services make, find and revoke them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.exceptions import InvalidInput
from notifications.models import ApiToken
from notifications.services.credentials import tokens
from notifications.serving.routines import Sweeper
from tests.helpers.factories import SPOILT, make_token, make_user, spoil
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_used_at", {})


def stored(token: ApiToken) -> ApiToken:
    return ApiToken.objects.get(pk=token.pk)


def test_create__the_text_stands_nowhere_in_the_row(ada: User) -> None:
    token, text = make_token(ada, "inbox", "read")
    assert re.fullmatch(r"nhub_[A-Za-z0-9_-]{43}", text)
    row = ApiToken.objects.values().get()
    assert not any(text in str(value) or text[5:] in str(value) for value in row.values())
    assert (token.user, token.scopes, token.created_by, token.last_used_at) == (
        ada,
        "read inbox",
        "tests",
        None,
    )
    assert stored(token).created_at <= timezone.now()


def test_create__many__each_text_is_another(ada: User) -> None:
    assert len({make_token(ada).text for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "   "}, {"name"}),
        ({"name": "x" * 101}, {"name"}),
        ({"name": "a\0b"}, {"name"}),
        ({"name": "\ud800"}, {"name"}),
        ({"scopes": []}, {"scopes"}),
        ({"scopes": ["read", "admin"]}, {"scopes"}),
        ({"scopes": ["read inbox"]}, {"scopes"}),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, {"expires_at"}),
        ({"name": "", "scopes": ["x"]}, {"name", "scopes"}),
    ],
)
def test_create__with_something_wrong__names_each_field_and_makes_nothing(
    ada: User, fields: dict[str, Any], wrong: set[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_token(ada, **{"name": "ci", "scopes": ["read"], "expires_at": None, **fields})
    assert set(refused.value.errors) == wrong
    assert not ApiToken.objects.exists()


def test_find__by_its_text__with_its_user_in_one_query(ada: User) -> None:
    token, text = make_token(ada)
    make_token(make_user("grace"))
    with CaptureQueriesContext(connection) as captured:
        found = services.usable_token(text)
        assert found == token
        assert found is not None
        assert found.user == ada
    assert len(captured) == 1


def test_find__without_an_expiry__for_ever(ada: User) -> None:
    text = services.create_token(ada, name="ci", scopes=["read"], expires_at=None).text
    assert services.usable_token(text) is not None


@pytest.mark.parametrize(
    "text",
    ["", "nhub_", "x", "nhub_" + "a" * 42, "nhub_" + "a" * 44, "NHUB_" + "a" * 43, "nhub_" + "é" * 43,
     "a" * 1_000_000]
    + ["nhub_" + "a" * 42 + tail for tail in ("\0", "\n", "\ud800", "٣", " ", "=")],
    ids=range(14),
)  # fmt: skip
def test_find__what_cannot_be_a_token__asks_no_database(text: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert services.usable_token(text) is None
    assert len(captured) == 0


def test_find__a_text_that_differs_in_one_character__nothing(ada: User) -> None:
    text = make_token(ada).text
    for place in range(5, len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert services.usable_token(changed) is None


def test_find__by_the_stored_hash__nothing(ada: User) -> None:
    token = make_token(ada).token
    assert services.usable_token(token.token_hash) is None
    assert services.usable_token("nhub_" + token.token_hash[:43]) is None


@pytest.mark.parametrize("how", SPOILT)
def test_find__spoilt__nothing(ada: User, how: str) -> None:
    token, text = make_token(ada)
    assert services.usable_token(text) is not None
    spoil(token, how)
    assert services.usable_token(text) is None


def test_revoke__again__keeps_the_first_time_in_one_statement(ada: User) -> None:
    (first, _), (second, kept) = make_token(ada), make_token(ada)
    assert services.revoke_tokens([first.pk]) == 1
    at = stored(first).revoked_at
    with CaptureQueriesContext(connection) as captured:
        assert services.revoke_tokens([first.pk, 10**9]) == 0
    assert len(captured) == 1
    assert stored(first).revoked_at == at
    assert services.usable_token(kept) == second


def test_use__is_written_by_the_sweeper_and_never_by_the_request(ada: User) -> None:
    token, text = make_token(ada)
    before = timezone.now()
    services.usable_token(text)
    assert stored(token).last_used_at is None
    sweeper = Sweeper()
    sweeper.start()
    try:
        wait_until(lambda: stored(token).last_used_at is not None, what="the use of the token")
    finally:
        sweeper.stop()
    at = stored(token).last_used_at
    assert at is not None
    assert before <= at <= timezone.now()


def test_use__within_a_minute__is_written_once_over_all_processes(ada: User) -> None:
    token, text = make_token(ada)
    services.usable_token(text)
    tokens.write_token_uses()
    first = stored(token).last_used_at
    assert first is not None
    services.usable_token(text)
    with CaptureQueriesContext(connection) as captured:
        tokens.write_token_uses()
    assert len(captured) == 0
    tokens._used_at[token.pk] = first + timedelta(seconds=59)  # another process had not seen it written
    tokens.write_token_uses()
    assert stored(token).last_used_at == first
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=first - timedelta(minutes=1))
    services.usable_token(text)
    tokens.write_token_uses()
    assert stored(token).last_used_at is not None
    assert stored(token).last_used_at >= first  # type: ignore[operator]


def test_use__refused__is_not_noted(ada: User) -> None:
    token, text = make_token(ada)
    spoil(token, "revoked")
    services.usable_token(text)
    tokens.write_token_uses()
    assert stored(token).last_used_at is None


def test_use__nobody_writes__is_noted_up_to_a_bound(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS_NOTED", 2)
    for _ in range(4):
        assert services.usable_token(make_token(ada).text) is not None
    assert len(tokens._used_at) == 2
    tokens.write_token_uses()
    assert ApiToken.objects.exclude(last_used_at=None).count() == 2


def test_user__deleted__takes_their_tokens_along(ada: User) -> None:
    make_token(ada)
    ada.delete()
    assert not ApiToken.objects.exists()
