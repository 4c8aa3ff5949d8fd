"""A polling client and a streaming client of one user, both acting, beside a writer: all end with the same
inbox (I12).

Everything goes over HTTP to a real server. The clients know nothing but the protocol: a list and its cursor,
then changes.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.contrib.auth.models import User

from notifications import services
from tests.helpers.factories import make_token, make_user, order_event, send
from tests.helpers.oracle import Client, listed
from tests.helpers.processes import HubProcess
from tests.helpers.sse import UnexpectedEnd
from tests.helpers.streams import LiveStream
from tests.helpers.together import run_together
from tests.helpers.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system]

WRITES = 120
ACTIONS = 25
API = "/api/v1/notifications"


@dataclass
class Follower:
    """One client: what it holds, its own dice, and how it acts.

    Attributes:
        reads: how often it fetched changes, or opened a stream.
    """

    http: httpx.Client
    dice: random.Random
    client: Client = field(default_factory=Client)
    epoch: str = ""
    actions: int = 0
    reads: int = 0

    @property
    def cursor(self) -> str:
        return f"{self.epoch}-{self.client.position}"

    def fetch_list(self) -> None:
        """Begin from a list and its cursor."""
        page = self.http.get(API, params={"limit": 200}).json()
        assert page["next"] is None
        self.epoch, _, position = page["cursor"].partition("-")
        self.client = Client(
            {item["id"]: item for item in page["results"]}, int(position), page["unread_count"]
        )

    def act(self) -> None:
        """Do something to what it holds, which may be out of date."""
        known = sorted(self.client.items)
        one = self.dice.choice(known) if known else str(UUID(int=self.dice.getrandbits(128)))
        some = self.dice.sample(known, min(3, len(known)))
        match self.dice.randrange(4):
            case 0:
                answer = self.http.patch(f"{API}/{one}", json={"read": self.dice.random() < 0.5})
            case 1:
                answer = self.http.delete(f"{API}/{one}")
            case 2:
                answer = self.http.post(f"{API}/actions", json={"action": "unread", "ids": some})
            case _:
                answer = self.http.post(f"{API}/actions", json={"action": "read", "up_to": self.cursor})
        assert answer.status_code in (200, 204, 404), answer.text
        self.actions += 1


def poll(follower: Follower, done: Callable[[], bool]) -> None:
    """Follow by polling, in parts of any size."""
    follower.fetch_list()
    while True:
        is_last = done()
        params: dict[str, Any] = {"after": follower.cursor, "limit": follower.dice.randrange(1, 9)}
        answer = follower.http.get(f"{API}/changes", params=params).json()
        follower.reads += 1
        for change in answer["changes"]:
            follower.client.fold(change)
        assert answer["cursor"] == follower.cursor
        if is_last and not answer["has_more"]:
            return
        if follower.actions < ACTIONS:
            follower.act()


def stream(follower: Follower, done: Callable[[], bool], *, url: str, headers: dict[str, str]) -> None:
    """Follow by streams that it drops at any time."""
    follower.fetch_list()
    while True:
        is_last = done()
        query = f"after={follower.cursor}" + ("&closeafter=live" if is_last else "")
        with LiveStream(f"{url}{API}/stream?{query}", headers=headers) as opened:
            follower.reads += 1
            if is_last:
                opened.wait_ended()
            else:
                assert opened.status == 200
                opened.expect("stream.live")
                for _ in range(min(follower.dice.randrange(3), ACTIONS - follower.actions)):
                    follower.act()
                    with suppress(UnexpectedEnd):  # it may have changed nothing
                        opened.expect(timeout=0.1)
        for event in opened.events:
            assert event.type != "stream.reset"
            if "position" in event.json:
                follower.client.fold(event.json)
        if is_last:
            return


def write(user: User, dice: random.Random) -> None:
    """What producers and other devices do meanwhile."""
    sent: list[UUID] = []
    for number in range(WRITES):
        some = dice.sample(sent, min(2, len(sent)))
        match dice.randrange(8):
            case 0 | 1 | 2 | 3:
                event = order_event(
                    number, type_name=dice.choice(["orders.order.shipped", "imports.run.finished"])
                )
                sent.append(
                    send(user, f"No {number}", event=event, collapse_key=dice.choice(["", "", "one"]))
                )
            case 4:
                dice.choice([services.mark_read, services.archive])(user, some)
            case 5:
                dice.choice([services.mark_unread, services.unarchive])(user, some)
            case 6:
                services.delete(user, some[:1])
            case _:
                services.mark_all_read(user, category=dice.choice(["", "orders"]))


@pytest.mark.parametrize("seed", range(2))
def test_polling_and_streaming_clients__acting_beside_a_writer__end_with_the_same_inbox(
    start_hub: Callable[..., HubProcess], seed: int
) -> None:
    # Streams that were dropped count until the server has noticed; how many may be open, and how often one
    # may poll, is not asked here.
    env = {"HUB_MAX_STREAMS_PER_USER": "1000", "HUB_MAX_REQUESTS_PER_MINUTE": "0"}
    hub, ada = start_hub(env=env), make_user("ada")
    headers = {"Authorization": f"Bearer {make_token(ada, 'read', 'inbox').text}"}
    for number in range(5):
        send(ada, f"Old {number}")
    with httpx.Client(
        base_url=hub.base_url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
    ) as http:
        followers = [Follower(http, random.Random(f"{seed} {number}")) for number in range(2)]
        written = threading.Event()

        def is_done() -> bool:
            return written.is_set() and all(follower.actions >= ACTIONS for follower in followers)

        def produce() -> None:
            try:
                write(ada, random.Random(seed))
            finally:
                written.set()

        run_together(
            produce,
            partial(poll, followers[0], is_done),
            partial(stream, followers[1], is_done, url=hub.base_url, headers=headers),
        )
    fresh = listed(ada.pk)
    for follower in followers:
        assert follower.reads > 5
        assert json.dumps(follower.client.items, sort_keys=True) == json.dumps(fresh.items, sort_keys=True)
        assert (follower.client.position, follower.client.unread_count) == (
            fresh.position,
            fresh.unread_count,
        )
