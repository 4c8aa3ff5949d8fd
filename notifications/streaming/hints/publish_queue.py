"""What waits to be told to the processes that stream: bounded, with the newest of each kind for each user.

Pure: no Django, no event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from notifications.streaming.addressing import Address, addressed
from notifications.streaming.hints.messages import hint_message, look_message, show_message
from notifications.streaming.transient import Outgoing, event_messages

MAX_PENDING: Final = 100_000  # users of whom each kind of hint may wait; what comes on top is dropped
MAX_EVENTS: Final = 10_000  # transient events that may wait, each as often as the addresses that it goes to
MAX_EVENT_BYTES: Final = 2**24
MAX_EVENTS_PER_BATCH: Final = 100  # hints that come meanwhile wait for no more than these

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes out together.

    Attributes:
        heads: hints: the position that each user's inbox has reached.
        looks: the users whose streams are to be looked at; the values mean nothing.
        events: transient events, each for an address, some with a receipt.
        shows: recipients with notifications that are to be shown once more; the values mean nothing.
    """

    heads: Mapping[str, int] = field(default_factory=dict)
    looks: Mapping[str, None] = field(default_factory=dict)
    events: Sequence[Outgoing] = ()
    shows: Mapping[tuple[str, int], None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.heads or self.looks or self.events or self.shows)

    @property
    def hint_count(self) -> int:
        """Hints, looks and shows."""
        return len(self.heads) + len(self.looks) + len(self.shows)

    def messages(self) -> Iterator[tuple[Address, dict[str, Any]]]:
        """Address and message of each. Hints go first: a transient event is in nobody's way."""
        yield from addressed(list(self.heads.items()), lambda item: item[0], hint_message)
        yield from addressed(list(self.looks), lambda key: key, look_message)
        yield from addressed(list(self.shows), lambda show: show[0], show_message)
        yield from event_messages(self.events)

    def begun(self) -> Batch:
        """This batch at the moment in which it is sent: without the events whose senders were told that they
        were not.
        """
        if all(event.receipt is None for event in self.events):
            return self
        return replace(
            self, events=[event for event in self.events if event.receipt is None or event.receipt.begin()]
        )

    def taken(self) -> None:
        """Tell the senders of events that the layer has taken them."""
        for event in self.events:
            if event.receipt is not None:
                event.receipt.taken()

    def fail(self) -> None:
        """Tell the senders of events that these were lost."""
        for event in self.events:
            if event.receipt is not None:
                event.receipt.fail()


class Pending:
    """What waits for a publisher.

    Attributes:
        dropped_hints, dropped_events: what was dropped because too much waited.
    """

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        self._looks: dict[str, None] = {}
        self._shows: dict[tuple[str, int], None] = {}
        self._events: deque[Outgoing] = deque()
        self._event_bytes = 0
        self.dropped_hints = self.dropped_events = 0

    def __bool__(self) -> bool:
        return bool(self._heads or self._looks or self._events or self._shows)

    def add(self, batch: Batch) -> None:
        """Add to what waits; what concerns further users is dropped once it is full."""
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
        """All hints and looks, and the oldest events."""
        count = min(len(self._events), MAX_EVENTS_PER_BATCH)
        events = [self._events.popleft() for _ in range(count)]
        self._event_bytes -= sum(len(event.item.frame) for event in events)
        taken = Batch(heads=self._heads, looks=self._looks, events=events, shows=self._shows)
        self._heads, self._looks, self._shows = {}, {}, {}
        return taken

    def _add(self, waiting: dict[_K, _V], key: _K, value: _V) -> None:
        if key in waiting or len(waiting) < MAX_PENDING:
            waiting[key] = value
        else:
            self.dropped_hints += 1

    def _add_event(self, event: Outgoing) -> None:
        size = len(
            event.item.frame
        )  # which the addresses of one event share: rather too much than too little
        if len(self._events) >= MAX_EVENTS or self._event_bytes + size > MAX_EVENT_BYTES:
            self.dropped_events += 1
            if event.receipt is not None:
                event.receipt.fail()
        else:
            self._events.append(event)
            self._event_bytes += size
            if event.receipt is not None:
                event.receipt.expect()
