"""Transient events as messages between processes, each with its finished frame. Pure.

Such a message holds more than keys and numbers, because no row could be read instead. So its content is
restricted to one whole frame, named after an event type and without an id. A forged one can neither pass for
a change nor move a cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from notifications.event_types import check_name, registry
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.streaming.addressing import EVERYBODY, Address, addressed_messages

# The largest frame that ``emit`` admits has some 51,000 bytes, if every character is escaped.
MAX_FRAME_BYTES: Final = 65_536
MAX_MESSAGE_BYTES: Final = 2**20  # of the frames and keys in one message
_MESSAGE_TYPE: Final = "notifications.events"
_LINES_PER_FRAME: Final = 3  # event, data, and the empty line


class EventItem(NamedTuple):
    """One event for one address; a list inside a message.

    Attributes:
        keys: the users whom it is for.
        heads: for some of them the key and a position; changes up to there are shown before the event.
        frame, type, topic: the event.
    """

    keys: list[str]
    heads: list[list[Any]]
    frame: bytes
    type: str
    topic: str


class SendTracker(Protocol):
    """Is told what becomes of the parts in which one event is sent; ``Receipt`` implements it."""

    def add_part(self) -> None:
        """One more part was queued."""

    def begin_part(self) -> bool:
        """A part is about to be sent; return False if it may not be sent any more."""

    def part_taken(self) -> None:
        """The channel layer has taken a part."""

    def give_up(self) -> None:
        """A part was lost, or nobody waits for it any more."""


class OutgoingEvent(NamedTuple):
    """One item that is to be sent.

    Attributes:
        address: whom it is for.
        item: what is sent there.
        receipt: told what becomes of it; None if nobody wants to know.
    """

    address: Address
    item: EventItem
    receipt: SendTracker | None = None


class TransientFrame(bytes):
    """The frame of a transient event, the only kind of frame that a send queue may drop by itself."""


class TransientEvent(NamedTuple):
    """One event, shared by all connections that it is offered to.

    Attributes:
        frame: its frame.
        type, topic, category, level: the fields that filters look at. An event that was emitted has no level.
    """

    frame: TransientFrame
    type: str
    topic: str
    category: str
    level: str = ""

    @classmethod
    def emitted(cls, frame: bytes, event_type: str, topic: str) -> TransientEvent:
        """One that is stored nowhere: its category is what its type declares."""
        return cls(TransientFrame(frame), event_type, topic, registry.category_of(event_type))

    def admitted_by(self, filters: Filters) -> bool:
        """Return whether a filter admits the event. A filter for levels admits none without a level."""
        return filters.admits(self)


class ReceivedEvent(NamedTuple):
    """One event that came in a message.

    Attributes:
        event: the event.
        keys: the users whom it is for.
        heads: for some of them a position; changes up to there are shown before the event.
    """

    event: TransientEvent
    keys: list[str]
    heads: dict[str, int]


def event_items(
    event: TransientEvent, heads: Mapping[str, int | None], receipt: SendTracker | None = None
) -> Iterator[OutgoingEvent]:
    """Yield an event for each address that it is sent to; one item serves many users.

    Args:
        event: the event.
        heads: for each user the position that a stream must have reached before it shows the event; None if
            it may show it at once.
        receipt: told what becomes of the event.
    """

    def item(keys: Iterable[str]) -> EventItem:
        users = list(keys)
        known = [[key, head] for key in users if (head := heads[key]) is not None]
        return EventItem(users, known, bytes(event.frame), event.type, event.topic)

    for address, message in addressed_messages(list(heads), lambda key: key, item):
        yield OutgoingEvent(address, message, receipt)


def probe(receipt: SendTracker | None = None) -> OutgoingEvent:
    """Return an event for no user, which shows whether the channel layer takes anything."""
    return OutgoingEvent(EVERYBODY, EventItem([], [], b"", "", ""), receipt)


def event_messages(items: Iterable[OutgoingEvent]) -> Iterator[tuple[Address, dict[str, Any]]]:
    """Yield addresses with messages.

    Items for the same address are sent together. The order of one user's events never changes.
    """
    by_address: dict[Address, list[EventItem]] = {}
    for address, item, _ in items:
        # A user also receives what is for everybody, so those two keep their order. Items for different
        # users need not.
        if by_address and (address is EVERYBODY) != (EVERYBODY in by_address):
            yield from _messages(by_address)
            by_address = {}
        by_address.setdefault(address, []).append(item)
    yield from _messages(by_address)


def read_events(message: Any) -> Iterator[ReceivedEvent]:
    """Yield the events in a message; anything that is not an event is ignored."""
    is_ours = isinstance(message, Mapping) and message.get("type") == _MESSAGE_TYPE
    items = message.get("events") if is_ours else None
    for item in items if isinstance(items, (list, tuple)) else ():
        match item:
            case [
                [*keys],
                [*heads],
                bytes() as frame,
                str() as event_type,
                str() as topic,
            ] if _is_valid_frame(frame, event_type):
                event = TransientEvent.emitted(frame, event_type, topic)
                yield ReceivedEvent(event, [key for key in keys if isinstance(key, str)], dict(_heads(heads)))


def _messages(by_address: Mapping[Address, list[EventItem]]) -> Iterator[tuple[Address, dict[str, Any]]]:
    for address, items in by_address.items():
        for part in _parts(items):
            yield address, {"type": _MESSAGE_TYPE, "events": part}


def _parts(items: Iterable[EventItem]) -> Iterator[list[EventItem]]:
    """Split items into lists that each fit one message: a burst with long keys might be too large for one."""
    part: list[EventItem] = []
    room = MAX_MESSAGE_BYTES
    for item in items:
        size = len(item.frame) + sum(map(len, item.keys)) + sum(len(key) for key, _ in item.heads)
        if part and size > room:
            yield part
            part, room = [], MAX_MESSAGE_BYTES
        part.append(item)
        room -= size
    if part:
        yield part


def _is_valid_frame(frame: bytes, event_type: str) -> bool:
    try:
        check_name(event_type)
    except InvalidInput:
        return False
    return (
        len(frame) <= MAX_FRAME_BYTES
        and frame.startswith(f"event: {event_type}\ndata: {{".encode())
        and frame.endswith(b"}\n\n")
        and frame.count(b"\n") == _LINES_PER_FRAME
        and b"\r" not in frame
        and frame.isascii()
    )


def _heads(items: Iterable[Any]) -> Iterator[tuple[str, int]]:
    for item in items:
        match item:
            case [str() as key, int() as head] if not isinstance(head, bool):
                yield key, head
