"""The loop that a user of SignifyPy writes, over the client that they write it with, while connections break
and the hub restarts.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sseclient
from django.contrib.auth.models import User

from notifications import services
from notifications.event_types import UntypedEvent
from tests.helpers.factories import make_token, make_user, order_event, send
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

# Nothing in it depends on the database or on Redis.
pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]

ROUTE = "/multisig/icp"


class Notifications:
    """What SignifyPy would have: notes as they come, from now on."""

    def __init__(self, url: str, token: str) -> None:
        self.client = sseclient.SSEClient(url, headers={"Authorization": f"Bearer {token}"})

    def stream(self) -> Iterator[Any]:
        """Each note."""
        for event in self.client:
            if event.data:
                yield json.loads(event.data)

    def cut(self) -> None:
        """Break the connection, as a network does."""
        self.client.resp.raw._fp.fp.raw._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the client forgets the one before without closing it."""
        self.client.resp.close()


class Handler(threading.Thread):
    """Runs the loop until the note that says to stop, and keeps what it was told to handle."""

    def __init__(self, notifications: Notifications) -> None:
        super().__init__(name="signify", daemon=True)
        self.notifications = notifications
        self.handled: list[Any] = []
        self.others = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for note in self.notifications.stream():
                if note["r"] == "/test/over":
                    return
                if note["r"] == ROUTE:
                    self.handled.append(note["a"]["number"])
                else:
                    self.others += 1
        except BaseException as error:
            self.error = error
            raise

    def has(self, count: int) -> Callable[[], bool]:
        """Whether so many were handled."""

        def is_there() -> bool:
            assert self.error is None, self.error
            return len(self.handled) >= count

        return is_there


def test_loop__over_cuts_a_stop_and_a_crash__handles_each_note_once_and_in_order(
    start_hub: Callable[..., HubProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada: User = make_user("ada")
    hub = start_hub(env={"HUB_HEARTBEAT_SECONDS": "5"})
    is_up, pauses = threading.Event(), []
    is_up.set()

    def pause(seconds: float) -> None:
        """The client's own wait, without its length: the hub may take longer to start on a busy machine."""
        pauses.append(seconds)
        notifications.close()
        assert is_up.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(sseclient, "time", SimpleNamespace(sleep=pause))
    notifications = Notifications(f"{hub.base_url}/notifications/stream", make_token(ada, "read").text)
    handler = Handler(notifications)
    handler.start()
    wait_until(lambda: notifications.client.last_id, what="the first frame")

    def note(number: int) -> None:
        public_id = send(
            ada, f"No {number}", event=UntypedEvent(type_name="multisig.icp", fields={"number": number})
        )
        send(ada, event=order_event())
        services.mark_read(ada, [public_id])

    note(1)
    wait_until(handler.has(1))
    notifications.cut()
    note(2)
    wait_until(handler.has(2))
    is_up.clear()
    hub.stop()
    note(3)
    wait_until(lambda: len(pauses) == 2, what="the client to wait for the restart")
    assert pauses[1] >= 5, "a hub that stops leaves the next one time to start"
    hub.start()
    is_up.set()
    wait_until(handler.has(3))
    is_up.clear()
    hub.kill()
    note(4)
    hub.start()
    is_up.set()
    wait_until(handler.has(4))
    send(ada, event=UntypedEvent(type_name="test.over", fields={}))
    handler.join(PATIENCE_SECONDS)
    notifications.close()
    assert (handler.is_alive(), handler.error) == (False, None)
    assert handler.handled == [1, 2, 3, 4]
    assert handler.others == 4
