"""REST read while many threads write: a list, its cursor and its count are one snapshot, and its ETag is
exact (I11).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import selectors, services
from notifications.conf import hub_config
from notifications.http import poll_interval
from notifications.models import Notification
from tests.helpers.api import Answer, Api
from tests.helpers.factories import make_user, order_event, send
from tests.helpers.oracle import Client, changes_since
from tests.helpers.together import beside, run_together
from tests.helpers.waiting import PATIENCE_SECONDS
from tests.helpers.writers import work

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 15
MAX_ROUNDS = 300
MIN_CURSORS = 5


class Reader:
    """Notes the cursors that a reader has seen, so that the writers go on until it has seen several."""

    def __init__(self) -> None:
        self.cursors: set[str] = set()

    @property
    def has_seen_enough(self) -> bool:
        return len(self.cursors) >= MIN_CURSORS


@pytest.fixture(autouse=True)
def unthrottled(settings: Any) -> None:
    """A reader asks as often as it can; how often one may is not asked here."""
    settings.NOTIFICATION_HUB = {"max_requests_per_minute": 0}


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    services.open_inbox(user.pk)
    return user


def live(user: User, reader: Reader, seed: int) -> None:
    """Do this and that to a user's inbox, at least a number of rounds and until the reader has seen enough of
    it.
    """
    dice = random.Random(seed)
    for number in range(MAX_ROUNDS):
        if number >= ROUNDS and reader.has_seen_enough:
            return
        ids = list(Notification.objects.filter(recipient=user).values_list("public_id", flat=True))
        some = dice.sample(ids, min(2, len(ids)))
        doings: list[Callable[[], object]] = [
            lambda: send(user, event=order_event(type_name=f"{dice.choice(('orders', 'imports'))}.a.b")),
            lambda: send(user, topic="run:1", collapse_key="progress"),
            lambda some=some: services.mark_read(user, some),  # type: ignore[misc]
            lambda some=some: services.mark_unread(user, some),  # type: ignore[misc]
            lambda some=some: services.delete(user, some[:1]),  # type: ignore[misc]
            lambda: services.mark_all_read(user, category=dice.choice(("", "orders"))),
        ]
        dice.choice(doings)()


def writers(user: User, reader: Reader) -> list[Callable[[], None]]:
    return [partial(live, user, reader, seed) for seed in range(3)]


def folds(user: User) -> dict[int, Client]:
    """What a client holds at each position of the log."""
    states = {0: Client()}
    client = Client()
    for change in changes_since(user.pk, 0):
        client.fold(json.loads(json.dumps(change)))
        states[client.position] = Client(
            {key: dict(item) for key, item in client.items.items()}, client.position, client.unread_count
        )
    return states


def test_list__while_others_write__is_one_snapshot_with_its_cursor_and_count(
    ada: User, reader: Reader
) -> None:
    api = Api(ada)

    def read() -> Answer:
        answer = api.get(params={"limit": 200})
        reader.cursors.add(answer.json["cursor"])
        return answer

    answers, _ = beside(read, *writers(ada, reader))
    assert reader.has_seen_enough
    states = folds(ada)
    for answer in answers:
        shown = answer.json
        assert answer.headers["ETag"] == f'"{shown["cursor"]}"'
        state = states[int(shown["cursor"].partition("-")[2])]
        assert {item["id"]: item for item in shown["results"]} == state.items
        assert shown["unread_count"] == state.unread_count


def test_counts__while_others_write__are_one_snapshot_with_their_cursor(ada: User, reader: Reader) -> None:
    api = Api(ada)

    def read() -> Answer:
        answer = api.get("/counts")
        reader.cursors.add(answer.json["cursor"])
        return answer

    answers, _ = beside(read, *writers(ada, reader))
    assert reader.has_seen_enough
    states = folds(ada)
    for answer in answers:
        shown = answer.json
        unread: defaultdict[str, int] = defaultdict(int)
        for item in states[int(shown["cursor"].partition("-")[2])].items.values():
            unread[item["category"]] += item["read_at"] is None
        assert shown["by_category"] == {name: count for name, count in unread.items() if count}
        assert shown["unread"] == sum(unread.values())


@pytest.mark.parametrize("path", ["", "/counts"])
def test_etag__while_others_write__names_one_body_and_304_means_that_body(
    ada: User, reader: Reader, path: str
) -> None:
    api = Api(ada)
    bodies: dict[str, bytes] = {}
    etag = ""

    def poll() -> Answer:
        nonlocal etag
        answer = api.get(path, If_None_Match=etag)
        if answer.status == 200:
            etag = answer.headers["ETag"]
            reader.cursors.add(etag)
            assert bodies.setdefault(etag, answer.body) == answer.body, "one ETag, two bodies"
        else:
            assert (answer.status, answer.headers["ETag"]) == (304, etag)
        return answer

    beside(poll, *writers(ada, reader))
    assert reader.has_seen_enough
    assert bodies[poll().headers["ETag"]] == api.get(path).body


def test_polling__while_others_write__sees_every_change_once_and_ends_with_the_list(
    ada: User, reader: Reader
) -> None:
    api = Api(ada)
    client = Client()
    cursor = f"{services.open_inbox(ada.pk).epoch}-0"

    def poll() -> None:
        nonlocal cursor
        answer = api.get("/changes", {"after": cursor, "limit": 3}).json
        for change in answer["changes"]:
            client.fold(change)
        if not answer["has_more"]:
            assert client.unread_count == answer["unread_count"]
        cursor = answer["cursor"]
        reader.cursors.add(cursor)
        assert cursor.endswith(f"-{client.position}")

    beside(poll, *writers(ada, reader))
    while client.position < services.open_inbox(ada.pk).head:
        poll()
    assert client.items == {item["id"]: item for item in api.get(params={"limit": 200}).json["results"]}


def test_paging__while_writers_do_everything__shows_once_all_that_was_there_and_stayed(ada: User) -> None:
    users = [ada.pk, make_user("grace").pk]
    for _ in range(30):
        send(ada)
    api = Api(ada)

    def read_through() -> tuple[int, list[int]]:
        seen: list[int] = []
        begun_at, url = 0, "/api/v1/notifications?limit=4"
        while url:
            page = api.get(url).json
            begun_at = begun_at or int(page["cursor"].partition("-")[2])
            seen += [item["position"] for item in page["results"]]
            url = page["next"]
        return begun_at, seen

    readings, _ = beside(read_through, *[partial(work, users, seed, 40) for seed in range(3)])
    stayed = {item["position"] for item in api.get(params={"limit": 200}).json["results"]}
    assert services.open_inbox(ada.pk).head > 60
    for begun_at, seen in readings:
        assert seen == sorted(set(seen), reverse=True), "one was shown twice"
        assert {position for position in stayed if position <= begun_at} <= set(seen), "one was passed over"


def test_poll_interval__while_many_ask_at_once__rises(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now, under_way, real = [0.0], Barrier(7), selectors.changes_after
    for name, value in (("_clock", lambda: now[0]), ("_began_at", 0.0), ("_busy_seconds", 0.0)):
        monkeypatch.setattr(poll_interval.LOAD, name, value)
    send(ada)
    after = {"after": f"{services.open_inbox(ada.pk).epoch}-0"}

    def take_half_a_window(*args: Any, **options: Any) -> Any:
        for _ in range(2):
            under_way.wait(PATIENCE_SECONDS)
        return real(*args, **options)

    def pass_the_time() -> None:
        under_way.wait(PATIENCE_SECONDS)
        now[0] += poll_interval.WINDOW_SECONDS / 2
        under_way.wait(PATIENCE_SECONDS)

    with monkeypatch.context() as slow:
        slow.setattr(selectors, "changes_after", take_half_a_window)
        run_together(*[partial(Api(ada).get, "/changes", after) for _ in range(6)], pass_the_time)
    now[0] += poll_interval.WINDOW_SECONDS / 2
    interval = int(Api(ada).get("/changes", after).headers["X-Poll-Interval"])
    assert interval == 6 * hub_config().poll_interval_seconds  # three of them under way on average


@pytest.mark.parametrize("body", [{"read": True}, {"read": False}], ids=["read", "unread"])
def test_patch__by_many_at_once__takes_one_position_at_most(ada: User, body: dict[str, Any]) -> None:
    public_id = send(ada)
    if not body["read"]:
        services.mark_read(ada, [public_id])
    head = services.open_inbox(ada.pk).head
    answers = run_together(*[partial(Api(ada).patch, public_id, body) for _ in range(6)])
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert services.open_inbox(ada.pk).head == head + 1


def test_delete__by_many_at_once__succeeds_once(ada: User) -> None:
    public_id = send(ada)
    answers = run_together(*[partial(Api(ada).delete, public_id) for _ in range(6)])
    assert sorted(answer.status for answer in answers) == [204] + [404] * 5
    assert services.open_inbox(ada.pk).head == 2


def test_first_touch__by_many_at_once__makes_one_inbox() -> None:
    ada = make_user()
    answers = run_together(*[Api(ada).get for _ in range(6)])
    assert {answer.json["cursor"] for answer in answers} == {str(services.open_inbox(ada.pk).cursor)}
    assert selectors.inboxes([ada.pk])[ada.pk].head == 0
