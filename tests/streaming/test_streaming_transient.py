"""Transient events: on the wire between processes, held back, and in the queue of a connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.event_types import MAX_NAME_LENGTH
from notifications.filters import Filters
from notifications.selectors import InboxState
from notifications.streaming import frames, timing
from notifications.streaming.addressing import EVERYBODY, MAX_ADDRESSED_SINGLY, MAX_KEYS_PER_MESSAGE
from notifications.streaming.connection import delayed_transient
from notifications.streaming.connection.delayed_transient import DelayedEvents
from notifications.streaming.connection.send_queue import SendQueue
from notifications.streaming.connection.shared_inbox import SharedInbox
from notifications.streaming.hints import publish_queue
from notifications.streaming.hints.publish_queue import Batch, PublishQueue
from notifications.streaming.hints.seal import MAX_SEALED_BYTES, Seal
from notifications.streaming.metrics import METRICS
from notifications.streaming.transient import (
    MAX_FRAME_BYTES,
    ReceivedEvent,
    TransientEvent,
    TransientFrame,
    event_items,
    event_messages,
    read_events,
)
from notifications.system.installation import Installation

pytestmark = pytest.mark.shape("embedded")

AT = "2026-11-21T02:03:04.567890Z"
ID = "0197a3c4-5d6e-7f80-9a1b-2c3d4e5f6071"


def event(number: int = 1, *, name: str = "imports.file.progress", topic: str = "") -> TransientEvent:
    frame = frames.transient(event_id=ID, event_type=name, topic=topic, at=AT, data=f'{{"n":{number}}}')
    return TransientEvent.emitted(frame, name, topic)


def test_frame__golden() -> None:
    assert event(7, topic='a"\n').frame == (
        b"event: imports.file.progress\n"
        b'data: {"id":"%b","type":"imports.file.progress","topic":"a\\"\\n",'
        b'"at":"2026-11-21T02:03:04.567890Z","data":{"n":7}}\n\n' % ID.encode()
    )


def test_frame__the_largest_that_can_be__is_admitted_by_its_reader() -> None:
    name = "a." + "b" * (MAX_NAME_LENGTH - 2)
    frame = frames.transient(
        event_id=ID, event_type=name, topic="\U0001f600" * 100, at=AT, data='{"x":"%s"}' % (r"\u00e9" * 8_188)
    )
    assert len(frame) < MAX_FRAME_BYTES
    largest = TransientEvent.emitted(frame, name, "")
    ((_, message),) = event_messages(event_items(largest, {"1": None}))
    assert [received.event for received in read_events(message)] == [largest]


# Sends to few go to each user's group, those to many to everybody's; what one user hears must keep its order.
@given(sends=st.lists(st.sets(st.integers(1, MAX_ADDRESSED_SINGLY + 3), min_size=1), max_size=12))
def test_messages__any_sends__every_user_hears_theirs_in_order(sends: list[set[int]]) -> None:
    items = [
        item
        for number, users in enumerate(sends)
        for item in event_items(event(number), {str(user): number + user for user in users})
    ]
    for user in map(str, range(1, MAX_ADDRESSED_SINGLY + 4)):
        heard = [
            (received.event, received.heads[user])
            for address, message in event_messages(items)
            if address in (EVERYBODY, user)
            for received in read_events(message)
            if user in received.keys
        ]
        assert heard == [
            (event(number), number + int(user)) for number, users in enumerate(sends) if int(user) in users
        ]


def test_messages__of_large_events_to_many_with_long_keys__are_small_enough_to_be_opened() -> None:
    users: dict[str, int | None] = {f"{number:0254}": number for number in range(MAX_KEYS_PER_MESSAGE)}
    large = event(1)._replace(frame=TransientFrame(b"x" * 17_000))
    items = [item for _ in range(100) for item in event_items(large, users)]
    messages = [message for _, message in event_messages(items)]
    assert sum(len(message["events"]) for message in messages) == 100
    seal = Seal(Installation.derive("secret", [], identity="a database"))
    for message in messages:
        sealed = seal.seal(message)["sealed"]
        assert len(sealed) < MAX_SEALED_BYTES / 2


def test_messages__a_burst_to_many__is_few() -> None:
    users: dict[str, int | None] = dict.fromkeys(map(str, range(2 * MAX_KEYS_PER_MESSAGE)))
    items = [item for number in range(100) for item in event_items(event(number), users)]
    assert len(items) == 200
    assert len(list(event_messages(items))) == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b'event: imports.file.progress\ndata: {"n":1}\nid: abcdefgh-9\n\n',
        b'event: imports.file.progress\ndata: {"n":1}\n\nevent: stream.close\ndata: {}\n\n',
        b'event: imports.file.progress\rdata: {"n":1}\n\n\n',
        b'event: imports.file.progress\ndata: {"n":"\xff"}\n\n',
        b'event: imports.file.other\ndata: {"n":1}\n\n',
        b"event: imports.file.progress\ndata: {%b}\n\n" % (b"x" * MAX_FRAME_BYTES),
        'event: imports.file.progress\ndata: {"n":1}\n\n',
        None,
    ],
)
def test_forged__frame__is_passed_over(frame: Any) -> None:
    item = [["1"], [], frame, "imports.file.progress", ""]
    assert list(read_events({"type": "notifications.events", "events": [item]})) == []


@pytest.mark.parametrize(
    "name", ["stream.close", "notification.created", "inbox.read", "run.text", "x", "", 5]
)
def test_forged__name__is_passed_over(name: Any) -> None:
    item = [["1"], [], f"event: {name}\ndata: {{}}\n\n".encode(), name, ""]
    assert list(read_events({"type": "notifications.events", "events": [item]})) == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"events": []},
        {"type": "notifications.events"},
        {"type": "notifications.events", "events": 5},
        {"type": "notifications.events", "events": [None, [], "abcde", [1, 2, 3, 4, 5]]},
    ],
)
def test_forged__message__is_passed_over(message: Any) -> None:
    assert list(read_events(message)) == []


def test_forged__keys_and_heads__only_what_can_be_is_read() -> None:
    shown = event()
    item = [
        ["1", 2, None],
        [["1", 5], ["1"], [1, 5], ["2", True], "ab"],
        shown.frame,
        shown.type,
        shown.topic,
    ]
    received = list(read_events({"type": "notifications.events", "events": [item]}))
    assert received == [ReceivedEvent(shown, ["1"], {"1": 5})]


def test_filters__level__hides_what_has_none() -> None:
    assert event().admitted_by(Filters.parse({"type": ["imports.file.*"]}))
    assert not event().admitted_by(Filters.parse({"level": ["info", "success", "warning", "error"]}))


def test_pending__events__go_after_the_hints_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_queue, "MAX_EVENTS_PER_BATCH", 2)
    waiting = PublishQueue()
    items = [item for number in range(3) for item in event_items(event(number), {"1": None})]
    waiting.add(Batch(events=items))
    waiting.add(Batch(heads={"1": 5}))
    first = waiting.take()
    assert list(first.events) == items[:2]
    assert [message["type"] for _, message in first.messages()] == [
        "notifications.hint",
        "notifications.events",
    ]
    assert waiting
    assert list(waiting.take().events) == items[2:]
    assert not waiting


@pytest.mark.parametrize(("bound", "value"), [("MAX_EVENTS", 3), ("MAX_EVENT_BYTES", 3 * len(event().frame))])
def test_pending__events__are_bounded_and_keep_no_hint_out(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(publish_queue, bound, value)
    waiting = PublishQueue()
    for _ in range(2):
        items = [item for number in range(5) for item in event_items(event(number), {"1": None})]
        waiting.add(Batch(events=items, heads={"1": 1}, looks={"1": None}))
        assert waiting.dropped_events == 2
        taken = waiting.take()
        assert (taken.hint_count, list(taken.events)) == (2, items[:3])
        waiting.dropped_events = 0


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 5)),
            st.tuples(st.just("reach"), st.integers(0, 5)),
            st.tuples(st.just("wait"), st.floats(0, delayed_transient.MAX_SECONDS)),
        )
    )
)
def test_held__anything__never_early_never_out_of_order_never_late(steps: list[tuple[str, float]]) -> None:
    waiting, now, position = DelayedEvents(), 0.0, 0
    added: list[tuple[TransientEvent, int, float]] = []
    released: list[TransientEvent] = []
    for verb, value in steps:
        if verb == "add":
            added.append((event(len(added)), int(value), now))
            waiting.add(added[-1][0], head=int(value), now=now)
        elif verb == "reach":
            position = max(position, int(value))
        else:
            now += value
        for shown in waiting.release(position=position, now=now):
            head, since = next((head, since) for known, head, since in added if known is shown)
            assert head <= position
            assert now - since < delayed_transient.MAX_SECONDS
            released.append(shown)
    assert [known for known, _, _ in added if any(known is shown for shown in released)] == released
    assert len(released) + len(waiting) + waiting.dropped_count == len(added)


class Recorder:
    """A connection that notes what it is offered."""

    def __init__(self) -> None:
        self.shown: list[TransientEvent] = []

    def offer_transient(self, shown: TransientEvent) -> None:
        self.shown.append(shown)

    def restart(self, *args: Any) -> None:
        """Positions were reused."""


@pytest.fixture
def inbox() -> SharedInbox:
    made = SharedInbox(InboxState(user_id=1, epoch="abcdefgh", head=4, floor=0, unread_count=0))
    made.connections.add(Recorder())  # type: ignore[arg-type]
    return made


def shown_to(inbox: SharedInbox) -> list[TransientEvent]:
    (connection,) = inbox.connections
    assert isinstance(connection, Recorder)
    return connection.shown


def test_inbox__behind__shows_nothing_until_it_is_there__and_then_in_order(inbox: SharedInbox) -> None:
    events = [event(number) for number in range(4)]
    inbox.offer_transient(events[0], after=4)
    inbox.offer_transient(events[1], after=5)
    inbox.offer_transient(events[2], after=0)  # nothing holds it back but the one before
    assert shown_to(inbox) == events[:1]
    inbox.position = 5
    inbox.offer_transient(events[3], after=0)
    assert shown_to(inbox) == events


def test_inbox__positions_reused__what_waited_is_dropped_and_the_next_is_shown(inbox: SharedInbox) -> None:
    before = METRICS.transient_frames["dropped"]
    inbox.offer_transient(event(1), after=9)
    inbox.restart("epoch", "hgfedcba", 2)
    inbox.offer_transient(event(2), after=2)
    assert shown_to(inbox) == [event(2)]
    assert METRICS.transient_frames["dropped"] - before == 1


@pytest.mark.parametrize(("bound", "value"), [("MAX_EVENTS", 3), ("MAX_BYTES", 3 * len(event().frame))])
def test_held__is_bounded(monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    monkeypatch.setattr(delayed_transient, bound, value)
    waiting = DelayedEvents()
    for _ in range(2):
        for number in range(5):
            waiting.add(event(number), head=1, now=0)
        assert len(list(waiting.release(position=1, now=0))) == 3
    assert waiting.dropped_count == 4


@given(
    offers=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=30), max_bytes=st.integers(20, 100)
)
def test_send_queue__transient_frames__never_cost_a_change_its_place(
    offers: list[tuple[bool, int]], max_bytes: int
) -> None:
    mixed, alone = (SendQueue(max_frames=4, max_bytes=max_bytes) for _ in range(2))
    for is_transient, size in offers:
        frame = b"x" * size
        if is_transient:
            mixed.add_transient(TransientFrame(frame))
        else:
            assert mixed.add(frame) == alone.add(frame)
        assert len(mixed.frames) <= 4
    waiting = mixed.take()
    assert [frame for frame in waiting if not isinstance(frame, TransientFrame)] == alone.take()
    assert len(waiting) == 1 or sum(map(len, waiting)) <= max_bytes
    assert (mixed.frames, mixed.size, mixed.transient_count) == ([], 0, 0)


def test_send_queue__transient_frames__stand_as_they_came_fit_into_one_write_and_are_counted() -> None:
    before = METRICS.transient_frames["dropped"]
    queue = SendQueue(max_frames=1_000, max_bytes=2**20)
    frame = TransientFrame(b"t" * 1_000)
    assert queue.add(b"first")
    while queue.add_transient(frame):
        pass
    assert queue.transient_count == timing.MAX_WRITE_BYTES // 1_000
    assert queue.add(b"last")
    queue.clear()
    assert METRICS.transient_frames["dropped"] - before == timing.MAX_WRITE_BYTES // 1_000
    for waiting in (b"a", frame, b"b"):
        assert queue.add_transient(waiting) if isinstance(waiting, TransientFrame) else queue.add(waiting)
    assert queue.take() == [b"a", frame, b"b"]
