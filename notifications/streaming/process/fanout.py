"""The connections of one process by user, and what the connections of one user share.

Everything here runs on one event loop and never awaits, so other tasks always find it consistent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from notifications.selectors import InboxState
from notifications.streaming.addressing import user_key
from notifications.streaming.connection.shared_inbox import Listener, SharedInbox
from notifications.streaming.connection.timers import TimerWheel
from notifications.streaming.connection.write_batching import WriteBatcher
from notifications.streaming.transient import ReceivedEvent


class Fanout:
    """The users who are connected to this process.

    Args:
        on_membership: called with a user's key after the first connection has come or the last has gone.
        on_behind: called with an inbox whose log may hold more than was delivered.
        on_look: called with an inbox when something other than its log may have changed for its streams.
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
        self.write_batcher = WriteBatcher()
        self.timers = TimerWheel()

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
        """Register a connection, together with the inbox as the connection has just read it."""
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
        """Note that an inbox is said to have reached a position.

        A hint costs a query when its position is new here; a false one does no harm.
        """
        inbox = self._inboxes.get(key)
        if inbox is not None and head > inbox.position:
            self._on_behind(inbox)

    def look(self, key: str) -> None:
        """Note that the credentials or rows of a user's streams are said to have changed.

        A look costs a query, and decides nothing by itself.
        """
        inbox = self._inboxes.get(key)
        if inbox is not None:
            self._on_look(inbox)

    def show(self, received: ReceivedEvent) -> None:
        """Offer a transient event to its users.

        An event that carries a later head than was delivered here also serves as a hint.
        """
        for key in received.keys:
            inbox = self._inboxes.get(key)
            if inbox is not None:
                after = received.heads.get(key, 0)
                inbox.offer_transient(received.event, after=after)
                if after > inbox.position:
                    self._on_behind(inbox)

    def reached(self, inbox: SharedInbox, head: int) -> None:
        """Note that an inbox was read from the database and has reached a position."""
        inbox.head = max(inbox.head, head)
        inbox.release_delayed()
        if head > inbox.position:
            self._on_behind(inbox)
