"""One process's connections by user, and what is shared between those of one user.

Everything here runs on one event loop and never awaits: between two awaits of anybody else it is consistent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.delayed_transient import Held
from notifications.streaming.connection.timers import Pulse
from notifications.streaming.connection.write_batching import Flush
from notifications.streaming.frames import CloseReason, ResetReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import Received, TransientEvent


class Listener(Protocol):
    """What a connection is to the fan-out."""

    def offer(self, change: SharedChange) -> None:
        """Take a change that was just read from the log."""

    def offer_transient(self, event: TransientEvent) -> None:
        """Take a transient event, or leave it."""

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Go on from the head of an inbox whose positions were reused."""

    def close(self, reason: CloseReason, *, may_return: bool = False) -> None:
        """End the stream soon."""


class SharedInbox:
    """One user's inbox as far as this process has fanned it out.

    Attributes:
        user_id: primary key of the user.
        epoch: the epoch that ``position`` belongs to.
        position: every change up to here was offered to all live connections.
        head: the newest position that was read; hints are not believed.
        connections: those of this user in this process.
    """

    __slots__ = ("_held", "connections", "epoch", "head", "position", "user_id")

    def __init__(self, state: InboxState) -> None:
        self.user_id = state.user_id
        self.epoch = state.epoch
        self.position = self.head = state.head
        self.connections: set[Listener] = set()
        self._held: Held | None = None

    @property
    def head_cursor(self) -> str:
        """The newest position known, as a cursor."""
        return str(Cursor(self.epoch, max(self.head, self.position)))

    def deliver(self, changes: Iterable[SharedChange]) -> None:
        """Offer changes, in order, to every connection."""
        for change in changes:
            self.position = change.position
            for connection in tuple(self.connections):
                connection.offer(change)
        self.release()

    def show(self, event: TransientEvent, *, after: int) -> None:
        """Offer a transient event to every connection, once all changes up to a position were (I19)."""
        if self._held is not None or after > self.position:
            self._held = self._held or Held()
            self._held.add(event, head=after, now=time.monotonic())
            self.release()
            return
        for connection in self.connections:
            connection.offer_transient(event)

    def release(self) -> None:
        """Offer what was held back and need not be any more; drop what has waited too long."""
        held = self._held
        if held is None:
            return
        for event in held.release(position=self.position, now=time.monotonic()):
            for connection in tuple(self.connections):
                connection.offer_transient(event)
        if not held:
            self._forget_held()

    def _forget_held(self) -> None:
        if self._held is not None:
            METRICS.transient_frames["dropped"] += self._held.dropped_count + len(self._held)
            self._held = None

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Positions were reused: every connection is told so, and goes on from the head."""
        self.epoch = epoch
        self.position = self.head = head
        self._forget_held()  # it waits for positions that may never come
        for connection in tuple(self.connections):
            connection.restart(reason, epoch, head)


class Fanout:
    """The users who are connected to this process.

    Args:
        on_membership: called with a user's key when the first connection has come or the last has gone.
        on_behind: called with an inbox whose log may hold more than was delivered.
        on_look: called with an inbox of whose streams something other than the log may have changed.
    """

    def __init__(
        self,
        *,
        on_membership: Callable[[str], None],
        on_behind: Callable[[SharedInbox], None],
        on_look: Callable[[SharedInbox], None],
    ) -> None:
        self._inboxes: dict[str, SharedInbox] = {}
        self._on_membership = on_membership
        self._on_behind = on_behind
        self._on_look = on_look
        self.flush = Flush()
        self.pulse = Pulse()

    def __len__(self) -> int:
        return len(self._inboxes)

    def __contains__(self, key: str) -> bool:
        return key in self._inboxes

    def __iter__(self) -> Iterator[SharedInbox]:
        return iter(tuple(self._inboxes.values()))

    def get(self, key: str) -> SharedInbox | None:
        """The inbox of a connected user."""
        return self._inboxes.get(key)

    def keys(self) -> list[str]:
        """The keys of all connected users."""
        return list(self._inboxes)

    def join(self, connection: Listener, state: InboxState) -> SharedInbox:
        """Register a connection, with the inbox as it has just read it."""
        key = user_key(state.user_id)
        inbox = self._inboxes.get(key)
        if inbox is None:
            inbox = self._inboxes[key] = SharedInbox(state)
            self._on_membership(key)
        elif inbox.epoch != state.epoch:
            inbox.restart("epoch", state.epoch, state.head)
        inbox.connections.add(connection)
        self.reached(inbox, state.head)
        return inbox

    def leave(self, connection: Listener, inbox: SharedInbox) -> None:
        """Forget a connection. May be called again."""
        inbox.connections.discard(connection)
        key = user_key(inbox.user_id)
        if not inbox.connections and self._inboxes.get(key) is inbox:
            del self._inboxes[key]
            self._on_membership(key)

    def hint(self, key: str, head: int) -> None:
        """An inbox is said to have reached a position; costs a query when that is news, and can do no harm when it is a lie."""
        inbox = self._inboxes.get(key)
        if inbox is not None and head > inbox.position:
            self._on_behind(inbox)

    def look(self, key: str) -> None:
        """The rights or rows of a user's streams are said to have changed; costs a query, and decides nothing."""
        inbox = self._inboxes.get(key)
        if inbox is not None:
            self._on_look(inbox)

    def show(self, received: Received) -> None:
        """Offer a transient event to its users; one that knows of a change which is missing here is as good as a hint."""
        for key in received.keys:
            inbox = self._inboxes.get(key)
            if inbox is not None:
                after = received.heads.get(key, 0)
                inbox.show(received.event, after=after)
                if after > inbox.position:
                    self._on_behind(inbox)

    def reached(self, inbox: SharedInbox, head: int) -> None:
        """An inbox was read, and has reached a position."""
        inbox.head = max(inbox.head, head)
        inbox.release()
        if head > inbox.position:
            self._on_behind(inbox)


def user_key(user_id: Any) -> str:
    """A user's primary key as hints carry it."""
    return str(user_id)
