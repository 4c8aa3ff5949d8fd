"""The bounded queue of what is to be sent to other processes; it keeps the newest hint for each user.

Pure: no Django, no event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from notifications.streaming.addressing import Address, addressed_messages
from notifications.streaming.hints.messages import hint_message, look_message, show_message
from notifications.streaming.transient import OutgoingEvent, event_messages

MAX_USERS: Final = 100_000  # users for whom each kind of hint may be queued; further ones are dropped
MAX_EVENTS: Final = 10_000  # queued transient events; one counts once for each address that it goes to
MAX_EVENT_BYTES: Final = 2**24
MAX_EVENTS_PER_BATCH: Final = 100  # a hint that comes meanwhile waits for no more than these

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Batch:
    """Hints, looks, shows and events that are sent together.

    Attributes:
        heads: the hints: the position that each user's inbox has reached.
        looks: the users whose streams are to be examined, as the keys of an ordered set.
        events: transient events, each for an address, some with a receipt.
        shows: recipients and notifications that are to be shown again, as the keys of an ordered set.
    """

    heads: Mapping[str, int] = field(default_factory=dict)
    looks: Mapping[str, None] = field(default_factory=dict)
    events: Sequence[OutgoingEvent] = ()
    shows: Mapping[tuple[str, int], None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.heads or self.looks or self.events or self.shows)

    @property
    def hint_count(self) -> int:
        """The number of hints, looks and shows."""
        return len(self.heads) + len(self.looks) + len(self.shows)

    def messages(self) -> Iterator[tuple[Address, dict[str, Any]]]:
        """Yield addresses with messages. Hints go first, so that transient events delay none of them."""
        yield from addressed_messages(list(self.heads.items()), lambda item: item[0], hint_message)
        yield from addressed_messages(list(self.looks), lambda key: key, look_message)
        yield from addressed_messages(list(self.shows), lambda show: show[0], show_message)
        yield from event_messages(self.events)

    def begin_sending(self) -> Batch:
        """Return what is sent of the batch now: no event whose sender was told that it was not sent."""
        if all(event.receipt is None for event in self.events):
            return self
        return replace(
            self,
            events=[event for event in self.events if event.receipt is None or event.receipt.begin_part()],
        )

    def mark_taken(self) -> None:
        """Tell the senders of its events that the channel layer has taken them."""
        for event in self.events:
            if event.receipt is not None:
                event.receipt.part_taken()

    def mark_lost(self) -> None:
        """Tell the senders of its events that these were lost."""
        for event in self.events:
            if event.receipt is not None:
                event.receipt.give_up()


class PublishQueue:
    """The queue of one publisher.

    Attributes:
        dropped_hints, dropped_events: how many were dropped because the queue was full.
    """

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        self._looks: dict[str, None] = {}
        self._shows: dict[tuple[str, int], None] = {}
        self._events: deque[OutgoingEvent] = deque()
        self._event_bytes = 0
        self.dropped_hints = self.dropped_events = 0

    def __bool__(self) -> bool:
        return bool(self._heads or self._looks or self._events or self._shows)

    def add(self, batch: Batch) -> None:
        """Add a batch to the queue. Once it is full, hints for further users and events are dropped."""
        for key, head in batch.heads.items():
            if key in self._heads:
                self._heads[key] = max(head, self._heads[key])
            else:
                self._add(self._heads, key, head)
        for key in batch.looks:
            self._add(self._looks, key, None)
        for show in batch.shows:
            self._add(self._shows, show, None)
        for event in batch.events:
            self._add_event(event)

    def take(self) -> Batch:
        """Remove and return all hints, looks and shows, and the oldest events."""
        count = min(len(self._events), MAX_EVENTS_PER_BATCH)
        events = [self._events.popleft() for _ in range(count)]
        self._event_bytes -= sum(len(event.item.frame) for event in events)
        taken = Batch(heads=self._heads, looks=self._looks, events=events, shows=self._shows)
        self._heads, self._looks, self._shows = {}, {}, {}
        return taken

    def _add(self, queue: dict[_K, _V], key: _K, value: _V) -> None:
        if key in queue or len(queue) < MAX_USERS:
            queue[key] = value
        else:
            self.dropped_hints += 1

    def _add_event(self, event: OutgoingEvent) -> None:
        # All addresses of one event share its frame, so this counts rather too much than too little.
        size = len(event.item.frame)
        if len(self._events) >= MAX_EVENTS or self._event_bytes + size > MAX_EVENT_BYTES:
            self.dropped_events += 1
            if event.receipt is not None:
                event.receipt.give_up()
        else:
            self._events.append(event)
            self._event_bytes += size
            if event.receipt is not None:
                event.receipt.add_part()
