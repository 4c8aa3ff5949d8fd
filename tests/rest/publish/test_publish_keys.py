"""Idempotency keys (protocol, section 5): one key, one send (I14)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.models import Event, IdempotencyKey, Notification
from notifications.services import idempotency, retention
from tests.helpers.api import BATCH, PUBLISH, TYPE, WITHDRAW, Answer, Api, draft, post, producer_api
from tests.helpers.factories import make_producer, make_token
from tests.helpers.oracle import assert_converges
from tests.helpers.processes import ROOT, HubProcess, hub_environment
from tests.helpers.together import run_together
from tests.helpers.waiting import LONG_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


def assert_replay(answer: Answer, first: Answer) -> None:
    assert (answer.status, answer.body) == (first.status, first.body)
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def test_key__again_with_the_same_body__is_the_first_answer_and_sends_nothing(api: Api, ada: User) -> None:
    with assert_converges(ada):
        first = post(api, PUBLISH, draft(ada), key="a key, with: 'marks'")
        assert_replay(post(api, PUBLISH, draft(ada), key="a key, with: 'marks'"), first)
    assert Notification.objects.count() == 1
    assert post(api, PUBLISH, draft(ada)).status == post(api, PUBLISH, draft(ada), key="other").status == 201
    assert Notification.objects.count() == 3


def test_key__works_for_batch_and_withdraw(api: Api, ada: User) -> None:
    batch = [draft(ada, topic="t"), draft(ada)]
    first = post(api, BATCH, batch, key="k")
    assert_replay(post(api, BATCH, batch, key="k"), first)
    assert Notification.objects.count() == 2
    withdrawal = {"topic": "t", "type": TYPE}
    withdrawn = post(api, WITHDRAW, withdrawal, key="k")
    assert withdrawn.json == {"changed": 1}
    assert_replay(post(api, WITHDRAW, withdrawal, key="k"), withdrawn)
    assert post(api, WITHDRAW, withdrawal).json == {"changed": 0}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (b'{"a": 1, "b": [1.0, 2e1]}', b'{"b":[1,20],"a":1.0}', True),
        (b'{"a": "\\u00e9"}', '{"a": "é"}'.encode(), True),
        (b'{"a": -0.0}', b'{"a": 0}', True),
        (b'{"a": 9007199254740993}', b'{"a": 9007199254740992}', False),
        (b'{"a": 1}', b'{"a": "1"}', False),
        (b'{"a": 1}', b'{"a": true}', False),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}', False),
        (b'{"a": null}', b"{}", False),
        (b'{"a": 1e300}', b'{"a": 1e301}', False),
    ],
)
def test_key__body__is_compared_as_a_json_value(
    api: Api, ada: User, one: bytes, other: bytes, is_same: bool
) -> None:
    def send(data: bytes) -> Answer:
        body = b'{"to": {"users": ["ada"]}, "type": "a.b", "title": "x", "data": ' + data + b"}"
        return api.ask("POST", PUBLISH, body=body, headers={"Idempotency-Key": "k"})

    first, second = send(one), send(other)
    assert first.status == 201
    if is_same:
        assert_replay(second, first)
    else:
        assert (second.status, second.code) == (422, "idempotency_key_reused")
    assert Notification.objects.count() == 1


def test_key__belongs_to_its_producer_and_path(shop: User, ada: User) -> None:
    mine = [producer_api(shop), producer_api(shop, name="another"), Api(shop)]
    first = post(mine[0], PUBLISH, draft(ada), key="k")
    for api in mine:
        assert_replay(post(api, PUBLISH, draft(ada), key="k"), first)
    assert "Idempotency-Replayed" not in post(mine[0], BATCH, [draft(ada)], key="k").headers
    assert (
        "Idempotency-Replayed"
        not in post(producer_api(make_producer("b")), PUBLISH, draft(ada), key="k").headers
    )
    assert "Idempotency-Replayed" not in post(mine[0], PUBLISH, draft(ada), key="K").headers


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f", "é", "a\tb"])
def test_key__that_is_none__is_refused(api: Api, ada: User, key: str) -> None:
    answer = api.send("POST", PUBLISH, draft(ada), Idempotency_Key=key)
    assert (answer.status, list(answer.problem["errors"])) == (400, ["Idempotency-Key"])
    assert Notification.objects.count() == 0


def test_key__of_255__is_taken(api: Api, ada: User) -> None:
    assert post(api, PUBLISH, draft(ada), key="x" * 255).status == 201
    assert post(api, PUBLISH, draft(ada), key="x" * 255).headers["Idempotency-Replayed"] == "true"


def test_refused_request__keeps_no_key(api: Api, ada: User) -> None:
    assert post(api, PUBLISH, draft(ada) | {"to": {"users": ["nobody"]}}, key="k").status == 400
    assert post(api, BATCH, [draft(ada, title="")], key="k").status == 400
    assert not IdempotencyKey.objects.exists()
    assert post(api, PUBLISH, draft(ada), key="k").status == 201


def test_failure__in_the_middle__sends_nothing_and_keeps_no_key(
    api: Api, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = IdempotencyKey.save_base

    def fail_to_update(row: IdempotencyKey, **options: Any) -> None:
        if options.get("update_fields"):
            raise RuntimeError("the disk is full")
        real(row, **options)

    with monkeypatch.context() as patched:
        patched.setattr(IdempotencyKey, "save_base", fail_to_update)
        assert post(api, PUBLISH, draft(ada), key="k").status == 500
    assert not Event.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert post(api, PUBLISH, draft(ada), key="k").status == 201


def test_replay__costs_a_fixed_number_of_queries(api: Api, ada: User) -> None:
    post(api, PUBLISH, draft(ada), key="k")
    with CaptureQueriesContext(connection) as again:
        post(api, PUBLISH, draft(ada), key="k")
    # Token and permission; begin, wait no longer than that, insert, roll back (on SQLite as well: wait as
    # always), read.
    assert len(again) == 2 + (5 if connection.vendor == "postgresql" else 6)


def test_50_at_once__with_one_key__send_once(
    start_hub: Callable[..., HubProcess], shop: User, ada: User
) -> None:
    hub, token = start_hub(), make_token(shop, "publish").text
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    client = hub.client()
    tasks = [lambda: client.post(PUBLISH, json=draft(ada), headers=headers)] * 50
    answers = run_together(*tasks)
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert (
        sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == [""] + ["true"] * 49
    )
    assert Event.objects.count() == Notification.objects.count() == 1


def test_key__in_progress__is_waited_for_and_then_409(
    api: Api, shop: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert idempotency.WAIT_SECONDS == 5  # the contract's; too long for a test
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.3)

    def ask_meanwhile() -> services.Answer:
        [[answer]] = [run_together(lambda: post(api, PUBLISH, draft(ada), key="k"))]
        assert (answer.status, answer.code) == (409, "idempotency_in_progress")
        return services.Answer(201, "{}")

    # Somebody else's key is not waited for, where anything but the whole database can be locked.
    request = services.IdempotentRequest(shop.pk, PUBLISH, "k", draft(ada))
    answer, is_replayed = services.answer_once(request, ask_meanwhile)
    assert (answer.body, is_replayed) == ("{}", False)
    assert post(api, PUBLISH, draft(ada), key="k").body == b"{}"


def test_key__whose_first_request_is_rolled_back__is_worked_on_by_the_one_that_waits(
    api: Api, shop: User, ada: User
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Future[Answer]] = []

        def fail() -> services.Answer:
            waiting.append(pool.submit(closing_connections, lambda: post(api, PUBLISH, draft(ada), key="k")))
            raise ValueError("rolled back")

        with pytest.raises(ValueError, match="rolled back"):
            services.answer_once(services.IdempotentRequest(shop.pk, PUBLISH, "k", draft(ada)), fail)
        answer = waiting[0].result(LONG_SECONDS)
    assert answer.status == 201
    assert "Idempotency-Replayed" not in answer.headers
    assert Notification.objects.count() == 1


def closing_connections(task: Callable[[], Answer]) -> Answer:
    try:
        return task()
    finally:
        connections.close_all()


def test_keys__after_24_hours__are_forgotten(shop: User, ada: User) -> None:
    api = producer_api(shop, days=2)
    first = post(api, PUBLISH, draft(ada), key="k")
    with time_machine.travel(timezone.now() + timedelta(hours=23, minutes=59), tick=False):
        assert retention.IDEMPOTENCY_KEYS.apply() == 0
    assert_replay(post(api, PUBLISH, draft(ada), key="k"), first)
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1), tick=False):
        with CaptureQueriesContext(connection) as forgetting:
            assert retention.IDEMPOTENCY_KEYS.apply() == 1
        with CaptureQueriesContext(connection) as nothing:
            assert retention.IDEMPOTENCY_KEYS.apply() == 0
    assert (len(forgetting), len(nothing)) == (4, 1)  # one that deletes, in a transaction
    assert "Idempotency-Replayed" not in post(api, PUBLISH, draft(ada), key="k").headers


def test_deleting_a_producer__takes_the_keys_along_and_leaves_what_was_sent(shop: User, ada: User) -> None:
    post(producer_api(shop), PUBLISH, draft(ada), key="k")
    shop.delete()
    assert not IdempotencyKey.objects.exists()
    assert Event.objects.get().producer_id is None


@pytest.mark.parametrize(
    ("place", "sent_before"), [("claimed", 0), ("staged", 0), ("answered", 0), ("committed", 1)]
)
def test_producer_request__killed_in_the_middle_and_retried__sends_once(
    shop: User, ada: User, place: str, sent_before: int
) -> None:
    token = make_token(shop, "publish").text
    command = [
        sys.executable,
        "-m",
        "tests.rest.publish.dying_publisher",
        "--token",
        token,
        "--die-at",
        place,
    ]
    killed = subprocess.run(
        command,
        cwd=ROOT,
        env=hub_environment({"ALLOWED_HOSTS": "testserver"}),
        capture_output=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert Notification.objects.count() == IdempotencyKey.objects.count() * 2 == sent_before * 2
    with assert_converges(ada):
        answer = post(Api(token=token), BATCH, [draft(ada), draft(ada, title="2")], key="k")
        services.sweep()
    assert answer.status == 201
    assert answer.headers.get("Idempotency-Replayed") == ("true" if sent_before else None)
    assert Notification.objects.filter(position__isnull=False).count() == Notification.objects.count() == 2


def test_once__inside_a_transaction__is_part_of_it(shop: User) -> None:
    request = services.IdempotentRequest(shop.pk, PUBLISH, "k", {})
    with pytest.raises(ValueError, match="no"), transaction.atomic():  # noqa: PT012
        services.answer_once(request, lambda: services.Answer(201, "{}"))
        raise ValueError("no")
    assert not IdempotencyKey.objects.exists()
