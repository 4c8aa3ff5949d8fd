"""The convergence oracle: what a client holds after folding the changes is what a fresh list shows (I12).

The fold is written here a second time, from the protocol's words alone, and reads bytes as a client does.
`ALL_READ` are the cases that hold the rules in Python, in SQL and on the page to the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from notifications import payloads, selectors, services

PAGE = 1_000_000

Notification = dict[str, Any]


@dataclass
class Client:
    """A client's map of one inbox, and the cursor up to which it is right.

    A log that is read from its beginning may have gaps at or below the inbox's `floor`; a compacted backlog,
    up to the head that it was planned to.
    """

    items: dict[str, Notification] = field(default_factory=dict)
    position: int = 0
    unread_count: int = 0
    floor: int = 0

    def fold(self, change: dict[str, Any]) -> None:
        """Apply one change, as the protocol's section 6 says."""
        if change["position"] > self.floor:
            expected = max(self.position, self.floor) + 1
            assert change["position"] == expected, "a change is missing, repeated or out of order"
        assert change["position"] > self.position, "a change is repeated or out of order"
        self.position = change["position"]
        self.unread_count = change["unread_count"]
        match change["change"]:
            case (
                "notification.created"
                | "notification.read"
                | "notification.unread"
                | "notification.archived"
                | "notification.unarchived"
            ):
                self.items[change["notification"]["id"]] = change["notification"]
            case "notification.deleted":
                # A compacted backlog, also one that was cut, may have left out that it ever was there.
                self.items.pop(change["notification"]["id"], None)
            case "inbox.read":
                for item in self.items.values():
                    unread = item["read_at"] is None and item["position"] <= change["up_to"]
                    if unread and change["category"] in (None, item["category"]):
                        item["read_at"] = change["at"]
            case other:
                raise AssertionError(f"unknown change {other}")


def listed(user_id: Any) -> Client:
    """What a fresh list shows, and with it that of what is archived."""
    services.open_inbox(user_id)
    page = selectors.list_page(user_id, limit=PAGE)
    archived = selectors.list_page(user_id, limit=PAGE, archived=True)
    items = []
    for each in (page, archived):
        shown = [json.loads(payloads.notification_json(row)) for row in each.rows]
        positions = [item["position"] for item in shown]
        assert positions == sorted(positions, reverse=True)
        assert all((item["archived_at"] is not None) is (each is archived) for item in shown)
        items += shown
    assert all(item["read_at"] for item in items if item["archived_at"])
    items.sort(key=lambda item: -int(item["position"]))
    return Client({item["id"]: item for item in items}, page.cursor.position, page.unread_count)


def changes_since(user_id: Any, position: int) -> list[dict[str, Any]]:
    """The changes after a position, as a client reads them."""
    inbox = services.open_inbox(user_id)
    floor = 0 if position else inbox.floor
    rows = selectors.changes_after(user_id, after=position, up_to=inbox.head, limit=PAGE, floor=floor)
    return [json.loads(payloads.change_json(row, inbox.epoch)) for row in rows]


def change_names(user: Any) -> list[str]:
    """The names of all changes of a user, as they came."""
    return [change["change"] for change in changes_since(user.pk, 0)]


def compacted(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the protocol leaves of a backlog that is compacted: of each notification its last change, and
    every `inbox.read`.
    """
    last = {
        change["notification"]["id"]: change["position"] for change in changes if "notification" in change
    }
    return [
        change
        for change in changes
        if "notification" not in change or last[change["notification"]["id"]] == change["position"]
    ]


def assert_converged(client: Client, user_id: Any) -> None:
    """Bring a client up to date and compare it with a fresh list, and with a fold of the whole log."""
    for change in changes_since(user_id, client.position):
        client.fold(change)
    fresh = listed(user_id)
    assert client.items == fresh.items
    assert client.position == fresh.position
    assert (
        client.unread_count
        == fresh.unread_count
        == sum(item["read_at"] is None for item in fresh.items.values())
    )
    from_the_start = Client(floor=services.open_inbox(user_id).floor)
    for change in changes_since(user_id, 0):
        from_the_start.fold(change)
    assert from_the_start.items == fresh.items
    assert sum(selectors.counts(user_id).by_category.values()) == fresh.unread_count


@contextmanager
def assert_converges(*users: Any) -> Iterator[None]:
    """Around services: each user's list from before, and the changes since, give the list from after."""
    before = [(user.pk, listed(user.pk)) for user in users]
    yield
    for user_id, client in before:
        assert_converged(client, user_id)


class AllReadCase(NamedTuple):
    """A notification of the category ``orders`` that is unread after its newest change, and an all-read
    change.

    Attributes:
        created: position of its created change.
        newest: position of its newest change.
        position: of the all-read change.
        up_to: what the user had seen.
        category: that the user chose; empty for all.
        is_read: whether the notification is read then.
    """

    created: int
    newest: int
    position: int
    up_to: int
    category: str
    is_read: bool


ALL_READ: Final = {
    "all there is": AllReadCase(1, 1, 5, 4, "", True),
    "created at what was seen": AllReadCase(4, 4, 5, 4, "", True),
    "created after what was seen": AllReadCase(4, 4, 5, 3, "", False),
    "marked unread after what was seen": AllReadCase(1, 4, 5, 3, "", True),
    "marked unread after it": AllReadCase(1, 6, 5, 4, "", False),
    "nothing was seen": AllReadCase(1, 1, 5, 0, "", False),
    "its category": AllReadCase(1, 1, 5, 4, "orders", True),
    "another category": AllReadCase(1, 1, 5, 4, "imports", False),
    "a category that begins the same": AllReadCase(1, 1, 5, 4, "order", False),
}
