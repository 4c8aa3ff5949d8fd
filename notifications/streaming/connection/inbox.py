"""One user's inbox in this process: what its connections share, and what each of them is to whoever feeds
them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from notifications.protocol.cursors import Cursor
from notifications.selectors import InboxState
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.delayed_transient import Held
from notifications.streaming.connection.timers import TimerWheel
from notifications.streaming.connection.write_batching import WriteBatcher
from notifications.streaming.frames import CloseReason, ResetReason
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import TransientEvent


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


class Feeder(Protocol):
    """Where a connection gets its changes from: what it needs of the process's fan-out."""

    @property
    def write_batcher(self) -> WriteBatcher:
        """Says when connections write."""

    @property
    def timers(self) -> TimerWheel:
        """Says when connections whose writer sleeps are called."""

    def join(self, connection: Listener, state: InboxState) -> SharedInbox:
        """Take part in what is fanned out to a user, from the head of ``state`` on."""

    def leave(self, connection: Listener, inbox: SharedInbox) -> None:
        """Take part no longer."""
