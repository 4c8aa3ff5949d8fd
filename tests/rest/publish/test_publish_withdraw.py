"""Withdrawing (protocol, section 5): one's own, at every recipient, whatever is killed in between."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import services
from notifications.exceptions import InvalidInput
from notifications.models import Change, Event, Inbox, Notification, Reason, Via
from tests.helpers import auditor
from tests.helpers.api import BATCH, PUBLISH, TYPE, WITHDRAW, Answer, Api, draft, post, producer_api
from tests.helpers.factories import make_producer, make_user, send
from tests.helpers.oracle import assert_converges, changes_since, listed
from tests.helpers.processes import ROOT, hub_environment
from tests.helpers.together import run_together
from tests.helpers.waiting import LONG_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def users(transactional_db: None) -> list[User]:
    return [make_user(f"user {number}") for number in range(3)]


def ids_of(answer: Answer) -> list[str]:
    assert answer.status == 201
    ids: list[str] = answer.json["ids"]
    return ids


def held(users: list[User]) -> list[int]:
    return [len(listed(user.pk).items) for user in users]


def test_withdraw__one_id__takes_the_event_back_from_everybody(api: Api, users: list[User]) -> None:
    ids = ids_of(post(api, PUBLISH, draft(*users)))
    kept = ids_of(post(api, PUBLISH, draft(users[0])))
    services.mark_read(users[1], [UUID(ids[1])])
    services.delete(users[2], [UUID(ids[2])])
    with assert_converges(*users):
        answer = post(api, WITHDRAW, {"ids": [ids[2]]})
        assert (answer.status, answer.json) == (200, {"changed": 2})
        assert post(api, WITHDRAW, {"ids": ids}).json == {"changed": 0}
    assert held(users) == [1, 0, 0]
    assert list(listed(users[0].pk).items) == kept
    last = changes_since(users[1].pk, 0)[-1]
    assert (last["change"], last["reason"], last["notification"]) == (
        "notification.deleted",
        "withdrawn",
        {"id": ids[1]},
    )
    change = Change.objects.get(inbox_id=users[1].pk, reason=Reason.WITHDRAWN)
    assert (change.by, change.via) == ("shop (ci)", Via.PRODUCER)
    assert not Event.objects.filter(is_withdrawing=True).exists()


def test_withdraw__topic_and_type__takes_back_all_of_both(api: Api, users: list[User]) -> None:
    post(api, BATCH, [
        draft(*users, topic="order:7"), draft(users[0], topic="order:7"), draft(users[0], topic="order:8"),
        draft(users[0], topic="order:7", type="orders.order.paid"), draft(users[0]),
    ])  # fmt: skip
    with assert_converges(*users):
        assert post(api, WITHDRAW, {"topic": "order:7", "type": TYPE}).json == {"changed": 4}
    assert held(users) == [3, 0, 0]


def test_withdraw__scheduled__is_never_seen(api: Api, users: list[User]) -> None:
    later = timezone.now() + timedelta(hours=1)
    ids = ids_of(post(api, PUBLISH, draft(*users, deliver_at=later.isoformat())))
    assert post(api, WITHDRAW, {"ids": ids[:1]}).json == {"changed": 3}
    assert not Notification.objects.exists()
    assert services.sweep().sequenced == 0
    assert held(users) == [0, 0, 0]
    assert not Change.objects.exists()


def test_withdraw__what_others_sent__changes_nothing(shop: User, api: Api, users: list[User]) -> None:
    other = producer_api(make_producer("other"))
    foreign = ids_of(post(other, PUBLISH, draft(users[0], topic="order:7")))
    # Its source looks like that of our producer, which anybody can bring about by the name of a token.
    local = send(users[0], topic="order:7", source="shop (ci)")
    for body in ({"ids": [*foreign, str(local), str(uuid4())]}, {"topic": "order:7", "type": TYPE}):
        answer = post(api, WITHDRAW, body)
        assert (answer.status, answer.json) == (200, {"changed": 0})
    assert held(users) == [2, 0, 0]
    assert post(producer_api(shop, name="another"), WITHDRAW, {"ids": foreign}).json == {"changed": 0}
    assert post(other, WITHDRAW, {"ids": foreign}).json == {"changed": 1}


def test_withdraw__with_another_token_of_the_producer__within_its_limits(
    shop: User, users: list[User]
) -> None:
    ids = ids_of(post(producer_api(shop), PUBLISH, draft(users[0], topic="order:7")))
    limited = producer_api(shop, types=["imports.*"])
    assert post(limited, WITHDRAW, {"ids": ids}).json == {"changed": 0}
    refused = post(limited, WITHDRAW, {"topic": "order:7", "type": TYPE})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert held(users) == [1, 0, 0]
    assert post(producer_api(shop, types=["orders.*"]), WITHDRAW, {"ids": ids}).json == {"changed": 1}


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"ids": "x"}, {"ids": ["x"]}, {"ids": [1]}, {"ids": [str(UUID(int=1))] * 1_001},
     {"topic": "t"},
     {"type": TYPE}, {"topic": "", "type": TYPE}, {"topic": "t", "type": ""}, {"topic": 1, "type": TYPE},
     {"ids": [str(UUID(int=1))], "topic": "t", "type": TYPE}, {"ids": [str(UUID(int=1))], "topic": "t"},
     {"topic": "t", "type": TYPE, "reason": "user"}, {"topic": None, "type": None},
     {"topic": "t", "type": "orders.*"}, {"topic": "t", "type": "inbox.x"}, {"topic": "t,u", "type": TYPE},
     {"topic": "x" * 101, "type": TYPE}],
    ids=lambda body: str(body)[-40:],
)  # fmt: skip
def test_withdraw__bad_body__is_refused(api: Api, users: list[User], body: Any) -> None:
    post(api, PUBLISH, draft(*users, topic="t"))
    answer = post(api, WITHDRAW, body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert held(users) == [1, 1, 1]


# --- in Python


def test_service__by_whoever_sent_it(users: list[User]) -> None:
    one, two = send(users[0], topic="t"), send(users[0], topic="t")
    with assert_converges(*users):
        assert services.withdraw([one]) == 1
        assert services.withdraw(topic="t", type_name=TYPE) == 1
        assert services.withdraw([two]) == 0
    assert held(users) == [0, 0, 0]


@pytest.mark.parametrize("given", [{}, {"topic": "t"}, {"type_name": TYPE}, {"ids": [uuid4()], "topic": "t"}])
def test_service__without_a_whole_name__refuses(users: list[User], given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        services.withdraw(**given)


def test_service__its_async_twin__does_the_same(users: list[User]) -> None:
    public_id = send(users[0])
    assert async_to_sync(services.awithdraw)([public_id]) == 1
    assert held(users) == [0, 0, 0]


def test_service__rolled_back__withdraws_nothing_and_holds_no_inbox(users: list[User]) -> None:
    public_id = send(users[0])
    with pytest.raises(ValueError, match="no"), transaction.atomic():  # noqa: PT012
        assert services.withdraw([public_id]) == 1
        assert held(users) == [1, 0, 0]
        raise ValueError("no")
    assert services.finish_withdrawals() == 0
    assert held(users) == [1, 0, 0]


def test_service__what_is_staged_meanwhile__is_dropped_by_the_sequencer(users: list[User]) -> None:
    public_id = send(users[0])
    event = Event.objects.get()
    services.withdraw([public_id])
    # A send to very many goes on in chunks, and staged these after the withdrawal.
    Notification.objects.bulk_create([Notification(recipient=user, event=event) for user in users])
    send(users[0])
    services.sweep()
    assert held(users) == [1, 0, 0]
    assert Notification.objects.filter(event=event, deleted_at=None).count() == 0


def test_service__many__goes_in_chunks_in_user_order(
    shop: User, api: Api, users: list[User], settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"max_sequence_chunk": 2}
    for _ in range(3):
        post(api, PUBLISH, draft(*users, topic="t"))
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    post(api, PUBLISH, draft(*users, topic="t", deliver_at=later))
    with assert_converges(*users), CaptureQueriesContext(connection) as captured:
        assert services.withdraw(topic="t", type_name=TYPE) == 12
    updates = [
        query for query in captured.captured_queries if 'UPDATE "notification_hub_inbox"' in query["sql"]
    ]
    assert len(updates) == 2
    assert held(users) == [0, 0, 0]
    assert auditor.problems() == []


def test_service__killed_after_the_commit__is_finished_by_the_sweeper(users: list[User]) -> None:
    ids = [str(send(user)) for user in users]
    code = (
        "import django, os, signal; django.setup()\n"
        "from notifications import services\n"
        "from notifications.inbox_log.append import LogBatch\n"
        "LogBatch.write = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"services.withdraw({ids})\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=hub_environment(),
        capture_output=True,
        timeout=LONG_SECONDS,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert held(users) == [1, 1, 1]
    with assert_converges(*users):
        assert services.finish_withdrawals() == 3
        assert services.finish_withdrawals() == 0
    assert held(users) == [0, 0, 0]
    with CaptureQueriesContext(connection) as idle:
        services.finish_withdrawals()
    assert len(idle) == 1


@pytest.mark.shape("production")
def test_service__inbox_that_somebody_has_locked__is_left_to_the_sweeper(
    users: list[User], settings: Any
) -> None:
    settings.NOTIFICATION_HUB = {"lock_timeout_seconds": 0.05}
    public_id = send(users[0])

    def withdraw_meanwhile() -> None:
        assert services.withdraw([public_id]) == 1

    with transaction.atomic():
        Inbox.objects.select_for_update().get(pk=users[0].pk)
        run_together(withdraw_meanwhile)
        run_together(services.finish_withdrawals)
        assert held(users) == [1, 0, 0]
    assert Event.objects.filter(is_withdrawing=True).count() == 1
    assert services.finish_withdrawals() == 1
    assert held(users) == [0, 0, 0]


def test_service__from_many_threads_beside_senders__takes_each_back_once(
    shop: User, users: list[User]
) -> None:
    api = producer_api(shop)
    for _ in range(5):
        post(api, PUBLISH, draft(*users, topic="t"))

    def send_more() -> int:
        return sum(len(ids_of(post(producer_api(shop), PUBLISH, draft(*users, topic="t")))) for _ in range(5))

    def take_back() -> int:
        return sum(services.withdraw(topic="t", type_name=TYPE) for _ in range(5))

    with assert_converges(*users):
        *taken, _, _ = run_together(take_back, take_back, send_more, send_more)
        taken.append(services.withdraw(topic="t", type_name=TYPE))
        services.sweep()
        services.finish_withdrawals()
    assert sum(taken) == 45
    assert held(users) == [0, 0, 0]
    assert auditor.problems() == auditor.history_problems() == []
