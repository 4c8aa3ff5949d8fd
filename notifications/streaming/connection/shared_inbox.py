"""One user's inbox in this process: what the user's connections share, and how they are fed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.delayed_transient import DelayedEvents
from notifications.streaming.connection.timers import TimerWheel
from notifications.streaming.connection.write_batching import WriteBatcher
from notifications.streaming.frames import CloseReason, ResetReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientEvent


class Listener(Protocol):
    """What the fan-out needs of a connection."""

    def offer(self, change: SharedChange) -> None:
        """Take a change that was just read from the log."""

    def offer_transient(self, event: TransientEvent) -> None:
        """Take a transient event, or ignore it."""

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Go on from the head of an inbox whose positions were reused."""

    def close(self, reason: CloseReason, *, must_reconnect: bool = False) -> None:
        """End the stream soon."""


class SharedInbox:
    """One user's inbox, as far as this process has delivered it.

    Attributes:
        user_id: primary key of the user.
        epoch: the epoch that ``position`` belongs to.
        position: every change up to here was offered to all live connections.
        head: the newest position that was read from the database; a hint does not move it.
        connections: the user's connections in this process.
    """

    __slots__ = ("_delayed", "connections", "epoch", "head", "position", "user_id")

    def __init__(self, state: InboxState) -> None:
        self.user_id = state.user_id
        self.epoch = state.epoch
        self.position = self.head = state.head
        self.connections: set[Listener] = set()
        self._delayed: DelayedEvents | None = None

    @property
    def head_cursor(self) -> str:
        """The newest known position as a cursor."""
        return str(Cursor(self.epoch, max(self.head, self.position)))

    def deliver(self, changes: Iterable[SharedChange]) -> None:
        """Offer changes, in order, to every connection."""
        for change in changes:
            self.position = change.position
            for connection in tuple(self.connections):
                connection.offer(change)
        self.release_delayed()

    def offer_transient(self, event: TransientEvent, *, after: int) -> None:
        """Offer a transient event to every connection, once all changes up to ``after`` were (I19)."""
        if self._delayed is not None or after > self.position:
            self._delayed = self._delayed or DelayedEvents()
            self._delayed.add(event, head=after, now=time.monotonic())
            self.release_delayed()
            return
        for connection in self.connections:
            connection.offer_transient(event)

    def release_delayed(self) -> None:
        """Offer the delayed events that need wait no longer, and drop those that waited too long."""
        delayed = self._delayed
        if delayed is None:
            return
        for event in delayed.release(position=self.position, now=time.monotonic()):
            for connection in tuple(self.connections):
                connection.offer_transient(event)
        if not delayed:
            self._drop_delayed()

    def _drop_delayed(self) -> None:
        if self._delayed is not None:
            METRICS.transient_frames["dropped"] += self._delayed.dropped_count + len(self._delayed)
            self._delayed = None

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Tell every connection that positions were reused, and go on from the head."""
        self.epoch = epoch
        self.position = self.head = head
        self._drop_delayed()  # they wait for positions that may never come
        for connection in tuple(self.connections):
            connection.restart(reason, epoch, head)


class ChangeSource(Protocol):
    """What a connection needs of the fan-out, which offers changes to it."""

    @property
    def write_batcher(self) -> WriteBatcher:
        """Decides when connections write."""

    @property
    def timers(self) -> TimerWheel:
        """Calls connections whose writer task sleeps."""

    def join(self, connection: Listener, state: InboxState) -> SharedInbox:
        """Offer a connection the changes of one inbox, from the head of ``state`` on."""

    def leave(self, connection: Listener, inbox: SharedInbox) -> None:
        """Offer a connection nothing more."""
