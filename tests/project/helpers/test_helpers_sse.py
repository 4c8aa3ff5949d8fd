"""The tests' reader of streams against the standard's text and examples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.sse import EventStreamParser, ServerSentEvent, StreamRecord

pytestmark = pytest.mark.shape("embedded")


def read(stream: bytes) -> list[ServerSentEvent]:
    return EventStreamParser().feed(stream)


def brief(stream: bytes) -> list[tuple[str, str, str]]:
    return [(event.type, event.data, event.last_event_id) for event in read(stream)]


def test_standard__three_lines_of_data__are_one_message() -> None:
    assert brief(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [("message", "YHOO\n+2\n10", "")]


def test_standard__comment_and_three_blocks__dispatch_three_messages() -> None:
    stream = (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
        b"data:  third event\n\ndata: unfinished\n"
    )
    assert brief(stream) == [
        ("message", "first event", "1"),
        ("message", "second event", ""),
        ("message", " third event", ""),
    ]


def test_standard__bare_data__dispatches_an_empty_message_and_the_last_block_is_discarded() -> None:
    assert brief(b"data\n\ndata\ndata\n\ndata:") == [("message", "", ""), ("message", "\n", "")]


def test_standard__space_after_the_colon__is_optional() -> None:
    assert brief(b"data:test\n\ndata: test\n\n") == [("message", "test", "")] * 2


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_line_ends__each_kind__means_the_same(end: bytes) -> None:
    assert brief(end.join([b"event: a", b"data: 1", b"", b"data: 2", b"", b""])) == [
        ("a", "1", ""),
        ("message", "2", ""),
    ]


def test_line_ends__cr_at_the_end_of_a_chunk__dispatches_at_once_and_swallows_the_lf() -> None:
    parser = EventStreamParser()
    assert len(parser.feed(b"data: 1\r\n\r")) == 1
    assert parser.feed(b"\ndata: 2\n") == []
    assert [event.data for event in parser.feed(b"\n")] == ["2"]


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_line_ends__what_only_python_takes_for_one__stays_in_the_data(separator: str) -> None:
    assert [event.data for event in read(f"data: a{separator}b\n\n".encode())] == [f"a{separator}b"]


def test_byte_order_mark__one_at_the_start__is_dropped_and_a_second_is_not() -> None:
    mark = "\ufeff".encode()
    assert brief(mark + b"data: 1\n\n") == [("message", "1", "")]
    assert brief(mark + mark + b"data: 1\n\ndata: 2\n\n") == [("message", "2", "")]
    assert brief(b"data: 1\n\ndata: " + mark + b"2\n\n")[1] == ("message", "\ufeff2", "")


def test_encoding__bytes_that_are_not_utf8__become_replacement_characters() -> None:
    assert brief(b"data: a\xffb\n\n") == [("message", "a\ufffdb", "")]


def test_frame_cut_off__before_its_empty_line__is_discarded() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"event: a\ndata: 1\n") == []


def test_id__without_data__moves_the_last_event_id_and_dispatches_nothing() -> None:
    parser = EventStreamParser()
    assert parser.feed(b"id: 7\n\n") == []
    assert (parser.last_event_id, parser.undispatched) == ("7", 1)
    assert [(event.last_event_id, event.id) for event in parser.feed(b"data: x\n\n")] == [("7", None)]


def test_id__with_nul__is_ignored() -> None:
    assert brief(b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n") == [
        ("message", "a", "1"),
        ("message", "b", "1"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3000", 3000),
        ("0", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1s", None),
        ("١٢", None),
        ("²", None),
        (" 5", None),
    ],
)
def test_retry__digits_only__are_taken(value: str, expected: int | None) -> None:
    parser = EventStreamParser()
    [event] = parser.feed(f"retry: {value}\ndata: x\n\n".encode())
    assert (event.retry, parser.reconnection_time) == (expected, expected)


def test_event_type__of_a_block_without_data__does_not_leak_into_the_next() -> None:
    assert brief(b"event: a\n\ndata: x\n\n") == [("message", "x", "")]


def test_fields__unknown_or_of_other_case__are_ignored() -> None:
    assert brief(b"Data: x\ndatas: y\n data: z\nfoo\ndata: w\n\n") == [("message", "w", "")]


def test_comments__are_kept_apart() -> None:
    parser = EventStreamParser()
    assert parser.feed(b": ping\n:\n\n") == []
    assert (parser.comments, parser.undispatched) == ([" ping", ""], 0)


pieces = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data",
            b"data:",
            b"event: a",
            b"id: 1",
            b"id",
            b"id: a\0",
            b"retry: 10",
            b": c",
            b"\n",
            b"\r",
            b"\r\n",
            "é€𝄞\ufeff".encode(),
            b"\xe2\x82",
            b":",
            b" ",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(stream=pieces, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_chunks__cut_anywhere__yield_the_same_events(stream: bytes, cuts: list[int]) -> None:
    parser, events = EventStreamParser(), []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        events += parser.feed(stream[start:end])
    whole = EventStreamParser()
    assert events == whole.feed(stream)
    assert (parser.last_event_id, parser.comments) == (whole.last_event_id, whole.comments)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1),
            st.text(st.characters(exclude_characters="\r\0", codec="utf-8")),
        )
    ),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_any_text__written_as_the_standard_says__is_read_back(
    blocks: list[tuple[str, str]], end: str
) -> None:
    lines = []
    for type_, data in blocks:
        lines += [f"event: {type_}", *(f"data: {line}" for line in data.split("\n")), ""]
    stream = "".join(line + end for line in lines).encode()
    assert [(event.type, event.data) for event in read(stream)] == blocks


def test_record__take__passes_over_other_types_and_never_gives_one_twice() -> None:
    record = StreamRecord()
    record.feed(b"event: a\ndata: {}\n\nevent: b\ndata: {}\n\nevent: a\ndata: {}\nid: 3\n\n", now=1.0)
    first, second = record.take("a"), record.take("a")
    assert first is not None
    assert first.id is None
    assert second is not None
    assert second.id == "3"
    assert record.take() is None
    assert record.ids == ["3"]
    assert "a, b, a" in str(record.missing("c"))
