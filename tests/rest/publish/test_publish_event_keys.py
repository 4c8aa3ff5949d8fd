"""`POST /events` with idempotency keys (protocol, section 9): what may have been sent is not sent again, and
what was not sent can be.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.models import EventKey, EventKeyState
from notifications.services import retention
from notifications.services.transient import publishing as transient_events
from notifications.services.transient.receipts import BoundedWaits, Receipt
from notifications.signals import channel_layer_probed, event_emitted
from tests.helpers.api import EVENTS, Answer, Api, post, producer_api, transient
from tests.helpers.factories import make_producer, make_token, make_user
from tests.helpers.processes import ROOT, HubProcess, hub_environment
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


class Layer:
    """Takes what is sent over it, or does something else with its receipt."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.do: Callable[[Receipt], object] = take

    def emit(self, **event: Any) -> None:
        self.sent.append(event)
        self.ask(**event)

    def ask(self, *, receipt: Receipt, **_: Any) -> None:
        receipt.add_part()
        self.do(receipt)


def take(receipt: Receipt) -> None:
    receipt.begin_part()
    receipt.part_taken()


def lose(receipt: Receipt) -> None:
    receipt.begin_part()
    receipt.give_up()


def refuse(receipt: Receipt) -> None:
    receipt.give_up()


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    made = Layer()
    monkeypatch.setattr(event_emitted, "send_robust", made.emit)
    monkeypatch.setattr(channel_layer_probed, "send_robust", made.ask)
    return made


def test_key__again_with_the_same_body__is_the_first_answer_and_sends_nothing(
    api: Api, ada: User, layer: Layer
) -> None:
    first = post(api, EVENTS, transient(ada, data={"n": 1}), key="k")
    with CaptureQueriesContext(connection) as queries:
        again = post(api, EVENTS, transient(ada, data={"n": 1.0}), key="k")
    assert len(queries) == 3  # token, permission, key
    assert (again.status, again.body) == (first.status, first.body) == (202, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(layer.sent) == 1
    other = post(api, EVENTS, transient(ada, data={"n": 2}), key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert post(producer_api(make_producer("other")), EVENTS, transient(ada), key="k").status == 202
    assert post(api, EVENTS, transient(ada), key="K").status == 202
    assert len(layer.sent) == 3


def test_key__costs_three_statements(api: Api, ada: User, layer: Layer) -> None:
    with CaptureQueriesContext(connection) as without:
        post(api, EVENTS, transient(ada))
    with CaptureQueriesContext(connection) as queries:
        post(api, EVENTS, transient(ada), key="k")
    assert len(queries) - len(without) == 3


def test_refused_request__keeps_no_key(api: Api, ada: User, layer: Layer) -> None:
    assert post(api, EVENTS, transient(ada, to={"users": ["nobody"]}), key="k").status == 400
    assert post(api, EVENTS, transient(ada, type="stream.x"), key="k").status == 400
    assert post(api, EVENTS, transient(ada), key="é").status == 400
    assert not EventKey.objects.exists()
    assert post(api, EVENTS, transient(ada), key="k").status == 202


@pytest.mark.parametrize("key", ["", "k"])
def test_event__that_the_layer_does_not_take__is_503_and_its_key_is_free(
    api: Api, ada: User, layer: Layer, key: str
) -> None:
    layer.do = refuse
    answer = post(api, EVENTS, transient(ada), key=key)
    assert (answer.status, answer.code) == (503, "unavailable")
    assert "was not sent" in answer.problem["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    layer.do = take
    answer = post(api, EVENTS, transient(ada), key=key)
    assert answer.status == 202
    assert "Idempotency-Replayed" not in answer.headers
    assert len(layer.sent) == 2


def test_event__of_which_nobody_hears_again__is_503_within_the_second_and_never_sent_again(
    api: Api, ada: User, layer: Layer
) -> None:
    assert transient_events.LAYER_SECONDS < 1
    for outcome in (
        Receipt.begin_part,
        refuse,
        lose,
    ):  # hangs; asked again, the layer takes nothing, or loses it
        layer.do = outcome
        answer = post(api, EVENTS, transient(ada), key="k")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert "may have been sent" in answer.problem["detail"]
    layer.do = take
    for _ in range(2):
        answer = post(api, EVENTS, transient(ada), key="k")
        assert (answer.status, answer.headers["Idempotency-Replayed"]) == (202, "true")
        assert answer.json == {"count": 1, "id": str(layer.sent[0]["event_id"])}
        layer.do = lose  # it is settled now, and nobody asks
    assert len(layer.sent) == 1


def test_event__without_a_recipient__waits_for_nobody(api: Api, layer: Layer) -> None:
    gone = make_user("gone", is_active=False)
    assert post(api, EVENTS, transient(gone), key="k").json["count"] == 0
    assert layer.sent == []


@pytest.mark.shape("embedded")
@pytest.mark.parametrize("place", ["transient_claimed", "transient_sent"])
def test_request__killed_in_the_middle_and_retried__is_not_sent_again(
    shop: User, ada: User, layer: Layer, place: str, monkeypatch: pytest.MonkeyPatch
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
    environment = hub_environment({"ALLOWED_HOSTS": "testserver"})
    killed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert EventKey.objects.get().state == EventKeyState.SENDING
    monkeypatch.setattr(transient_events, "SENDING_SECONDS", 0)
    answer = post(Api(token=token), EVENTS, transient(ada), key="k")
    assert (answer.status, answer.headers["Idempotency-Replayed"]) == (202, "true")
    assert layer.sent == []


@pytest.mark.parametrize(("outcome", "sent_count"), [(take, 1), (refuse, 2)])
def test_request__whose_key_is_being_sent_with__waits_for_the_outcome(
    api: Api,
    ada: User,
    layer: Layer,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Callable[[Receipt], object],
    sent_count: int,
) -> None:
    has_looked = threading.Event()
    monkeypatch.setattr(
        "notifications.services.transient.publishing.time.sleep", lambda seconds: has_looked.set()
    )
    waiting: list[Future[list[Answer]]] = []

    with ThreadPoolExecutor(1) as pool:

        def ask_again_meanwhile(receipt: Receipt) -> None:
            layer.do = take
            again = lambda: post(api, EVENTS, transient(ada), key="k")  # noqa: E731
            waiting.append(pool.submit(run_together, again))
            assert has_looked.wait(PATIENCE_SECONDS)
            outcome(receipt)

        layer.do = ask_again_meanwhile
        first = post(api, EVENTS, transient(ada), key="k")
        [again] = waiting[0].result(PATIENCE_SECONDS)
    assert (first.status, again.status) == (202 if outcome is take else 503, 202)
    assert ("Idempotency-Replayed" in again.headers) == (outcome is take)
    assert len(layer.sent) == sent_count


def test_request__whose_key_is_being_sent_with_for_too_long__is_409(
    api: Api, ada: User, layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert transient_events.SENDING_SECONDS == 5
    monkeypatch.setattr(transient_events, "_waits", BoundedWaits(quick_seconds=0, max_waiting=1))
    post(api, EVENTS, transient(ada), key="k")
    EventKey.objects.update(state=EventKeyState.SENDING, created_at=timezone.now() + timedelta(hours=1))
    with monkeypatch.context() as patched:
        patched.setattr(transient_events, "SENDING_SECONDS", 0)
        answer = post(api, EVENTS, transient(ada), key="k")
    assert (answer.status, answer.code) == (409, "idempotency_in_progress")


def test_50_at_once__with_one_key__send_once(
    share_hub: Callable[..., HubProcess], shop: User, ada: User
) -> None:
    hub = share_hub()
    stream = hub.stream(ada)
    stream.expect("stream.live")
    headers = {"Authorization": f"Bearer {make_token(shop, 'publish').text}"}
    client = hub.client()

    def ask(key: str, number: int) -> Any:
        body = transient(ada, data={"n": number})
        return client.post(EVENTS, json=body, headers={**headers, "Idempotency-Key": key})

    answers = run_together(*[lambda: ask("k", 1)] * 50)
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    assert ask("last", 2).status_code == 202
    stream.expect("imports.run.progress", where=lambda event: event.json["data"]["n"] == 2)
    assert [event.json["data"]["n"] for event in stream.of_type("imports.run.progress")] == [1, 2]


def test_keys__after_five_minutes__are_forgotten(api: Api, ada: User, layer: Layer) -> None:
    post(api, EVENTS, transient(ada), key="k")
    with time_machine.travel(timezone.now() + timedelta(minutes=4, seconds=59), tick=False):
        assert retention.EVENT_KEYS.apply() == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=5, seconds=1), tick=False):
        assert retention.EVENT_KEYS.apply() == 1
        assert retention.EVENT_KEYS.apply() == 0
    assert "Idempotency-Replayed" not in post(api, EVENTS, transient(ada), key="k").headers
    assert len(layer.sent) == 2


def test_deleting_a_producer__takes_the_keys_along(api: Api, shop: User, ada: User, layer: Layer) -> None:
    post(api, EVENTS, transient(ada), key="k")
    shop.delete()
    assert not EventKey.objects.exists()
