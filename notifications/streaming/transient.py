"""Transient events on their way between processes, each with its finished frame.

Such a message carries more than keys and numbers, as there is no row to look at. So what it can show is
bounded: one whole frame, under the name of an event type and without an id. A forged one can neither pass for
a change nor move a cursor. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from notifications.event_types import check_name
from notifications.exceptions import InvalidInput
from notifications.filters import Filters
from notifications.streaming.addressing import EVERYBODY, Address, addressed

# The largest that ``emit`` lets through has some 51,000, where all is written as escapes.
MAX_FRAME_BYTES: Final = 65_536
MAX_MESSAGE_BYTES: Final = 2**20  # of frames and keys in one message
_MESSAGE_TYPE: Final = "notifications.events"
_LINES: Final = 3  # event, data, and the empty one


class Item(NamedTuple):
    """One event for one address; on the wire a list.

    Attributes:
        keys: the users that it is for.
        heads: key and position, for some of them: up to where changes go before it.
        frame, type, topic: the event.
    """

    keys: list[str]
    heads: list[list[Any]]
    frame: bytes
    type: str
    topic: str


class Follower(Protocol):
    """What is told of the parts in which one event goes out; a ``Receipt`` is one, which threads can wait
    for.
    """

    def expect(self) -> None:
        """One more part waits to go out."""

    def begin(self) -> bool:
        """A part is about to go out; False when it must not any more."""

    def taken(self) -> None:
        """The channel layer has taken a part."""

    def fail(self) -> None:
        """A part was lost."""


class Outgoing(NamedTuple):
    """One item on its way out.

    Attributes:
        address: whom it is for.
        item: what goes there.
        receipt: told what becomes of it, if somebody wants to know.
    """

    address: Address
    item: Item
    receipt: Follower | None = None


class TransientFrame(bytes):
    """The frame of a transient event: the only kind that a queue may drop."""


class TransientEvent(NamedTuple):
    """One event as its connections share it.

    Attributes:
        frame: its bytes.
        type, topic, level: what filters look at; no event that was emitted has a level.
    """

    frame: TransientFrame
    type: str
    topic: str
    level: str = ""

    def admitted_by(self, filters: Filters) -> bool:
        """Whether a filter lets it through. One for levels never does if it has none."""
        return filters.admits(self)


class Received(NamedTuple):
    """One event of a message.

    Attributes:
        event: the event.
        keys: the users it is for.
        heads: for some of them, up to where changes go before it.
    """

    event: TransientEvent
    keys: list[str]
    heads: dict[str, int]


def event_items(
    event: TransientEvent, heads: Mapping[str, int | None], receipt: Follower | None = None
) -> Iterator[Outgoing]:
    """An event as it goes to addresses: one item serves many users.

    Args:
        heads: for each user the position that a stream must have reached before it shows the event; None for
            any.
        receipt: told what becomes of it.
    """

    def item(keys: Iterable[str]) -> Item:
        users = list(keys)
        known = [[key, head] for key in users if (head := heads[key]) is not None]
        return Item(users, known, bytes(event.frame), event.type, event.topic)

    for address, message in addressed(list(heads), lambda key: key, item):
        yield Outgoing(address, message, receipt)


def probe(receipt: Follower | None = None) -> Outgoing:
    """What every process hears and nobody is shown: whether the layer takes it tells whether it takes
    anything.
    """
    return Outgoing(EVERYBODY, Item([], [], b"", "", ""), receipt)


def event_messages(items: Iterable[Outgoing]) -> Iterator[tuple[Address, dict[str, Any]]]:
    """Address and message: what goes to the same address goes together, and no user's events change their
    order.
    """
    waiting: dict[Address, list[Item]] = {}
    for address, item, _ in items:
        # A user hears what is for everybody, too. What is for two users never meets.
        if waiting and (address is EVERYBODY) != (EVERYBODY in waiting):
            yield from _messages(waiting)
            waiting = {}
        waiting.setdefault(address, []).append(item)
    yield from _messages(waiting)


def read_events(message: Any) -> Iterator[Received]:
    """The events in a message; whatever is none is passed over."""
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
            ] if _is_whole(frame, event_type):
                event = TransientEvent(TransientFrame(frame), event_type, topic)
                yield Received(event, [key for key in keys if isinstance(key, str)], dict(_heads(heads)))


def _messages(waiting: Mapping[Address, list[Item]]) -> Iterator[tuple[Address, dict[str, Any]]]:
    for address, items in waiting.items():
        for part in _parts(items):
            yield address, {"type": _MESSAGE_TYPE, "events": part}


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """What fits into one message: with long keys, a burst to many would be larger than anybody takes."""
    part: list[Item] = []
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


def _is_whole(frame: bytes, event_type: str) -> bool:
    try:
        check_name(event_type)
    except InvalidInput:
        return False
    return (
        len(frame) <= MAX_FRAME_BYTES
        and frame.startswith(f"event: {event_type}\ndata: {{".encode())
        and frame.endswith(b"}\n\n")
        and frame.count(b"\n") == _LINES
        and b"\r" not in frame
        and frame.isascii()
    )


def _heads(items: Iterable[Any]) -> Iterator[tuple[str, int]]:
    for item in items:
        match item:
            case [str() as key, int() as head] if not isinstance(head, bool):
                yield key, head
