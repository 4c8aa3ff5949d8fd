"""A run as AG-UI's events: each row of the contract's table, late joins, and an end that is always said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.runs.events import RunEvent
from notifications.runs.kinds import KINDS
from notifications.runs.profiles import ag_ui
from notifications.runs.profiles.ag_ui import AgUi
from notifications.runs.profiles.framing import HEARTBEAT, OPEN
from tests.helpers.sse import EventStreamParser
from tests.runs.cases import AT, RUN, SOURCE, called, datum, finished, returned, step, text, thought
from tests.runs.profiles.clients import AgUiClient, chunks_of
from tests.runs.random_runs import checked, folded, runs, started

pytestmark = pytest.mark.shape("embedded")

TOPIC = "chat:7"
IDS = {"threadId": TOPIC, "runId": RUN}
BEGUN = {"type": "RUN_STARTED", **IDS, "protocolVersion": "1.0"}
POSTED = [{"id": "u1", "role": "user", "content": "Why?"}]


def told(*values: dict[str, Any], posted: Any = None) -> list[Any]:
    """What a client is told of events, one by one, after the start."""
    profile = AgUi(RUN, TOPIC, posted)
    chunks_of(profile.snapshot(folded([started()]).to_json(), "abcdefgh-1"))
    found = []
    for value in values:
        kind = value["event"]
        fields = {name: each for name, each in value.items() if name != "event"}
        found += chunks_of(profile.event(RunEvent(kind, fields), AT, "abcdefgh-2"))
    return found


def stream(events: list[RunEvent], place: int, posted: Any = None) -> tuple[bytes, AgUi]:
    """All frames for somebody who joins at a place."""
    profile = AgUi(RUN, TOPIC, posted)
    raw = profile.snapshot(folded(events[:place]).to_json(), f"abcdefgh-{place}")
    for number, event in enumerate(events[place:], place + 1):
        raw += profile.event(event, f"2026-11-21T02:03:04.{number:06d}Z", f"abcdefgh-{number}")
    return raw, profile


def start(message: str = "m1", role: str = "assistant") -> dict[str, Any]:
    """A message begins."""
    return {"type": "TEXT_MESSAGE_START", "messageId": message, "role": role}


def content(delta: str, message: str = "m1", *sources: Any) -> dict[str, Any]:
    """A piece of a message."""
    metadata = {"metadata": {"hub.citations": [*sources]}} if sources else {}
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": delta, **metadata}


def ended(message: str = "m1") -> dict[str, Any]:
    """A message ends."""
    return {"type": "TEXT_MESSAGE_END", "messageId": message}


def activity(name: str, kind: str, what: Any) -> dict[str, Any]:
    """Something beside the messages."""
    about = {"messageId": f"{RUN}:{name}", "activityType": kind, "content": what}
    return {"type": "ACTIVITY_SNAPSHOT", **about, "replace": True}


THINKING = {"messageId": "m1:reasoning"}
CITATION = {"event": "run.citation", "message": "m1", "source": SOURCE}
CALL = [
    {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "search", "parentMessageId": "m1"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": '{"q":"\\u00e4"}'},
    {"type": "TOOL_CALL_END", "toolCallId": "c1"},
]
RESULT = {"type": "TOOL_CALL_RESULT", "messageId": "c1:result", "toolCallId": "c1", "role": "tool"}
SUCCESS = {"outcome": {"type": "success"}}

ROWS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "start again": ([{"event": "run.started"}], []),
    "steps": (
        [step("read"), step("read", "s2"), finished("s1"), step("read", "s3"), finished("s2")],
        [
            {"type": "STEP_STARTED", "stepName": "read"},
            {"type": "STEP_STARTED", "stepName": "read #2"},
            {"type": "STEP_FINISHED", "stepName": "read"},
            {"type": "STEP_STARTED", "stepName": "read"},
            {"type": "STEP_FINISHED", "stepName": "read #2"},
        ],
    ),
    "message": (
        [{"event": "run.message_started", "message": "m1", "role": "user"}, text("a")],
        [start(role="user"), content("a")],
    ),
    "text": (
        [text("a"), text("b"), text("x", "m2"), text("c")],
        [start(), content("a"), content("b"), start("m2"), content("x", "m2"), content("c")],
    ),
    "reasoning": (
        [thought("a"), thought("b")],
        [
            {"type": "REASONING_START", **THINKING},
            {"type": "REASONING_MESSAGE_START", **THINKING, "role": "reasoning"},
            {"type": "REASONING_MESSAGE_CONTENT", **THINKING, "delta": "a"},
            {"type": "REASONING_MESSAGE_CONTENT", **THINKING, "delta": "b"},
        ],
    ),
    "call ends the texts of its message": (
        [text("a"), text("x", "m2"), called(arguments={"q": "ä"}), text("b")],
        [start(), content("a"), start("m2"), content("x", "m2"), ended(), *CALL, start(), content("b")],
    ),
    "call of no message": (
        [called(message=None)],
        [
            {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "search"},
            {"type": "TOOL_CALL_END", "toolCallId": "c1"},
        ],
    ),
    "result, once": (
        [called(arguments={"q": "ä"}), returned(result={"a": 1}), returned(result=2)],
        [*CALL, {**RESULT, "content": '{"a":1}'}],
    ),
    "result that is text": (
        [called(arguments={"q": "ä"}), returned(result="ja")],
        [*CALL, {**RESULT, "content": "ja"}],
    ),
    "error": (
        [called(arguments={"q": "ä"}), returned(error="no")],
        [*CALL, {**RESULT, "content": "no"}],
    ),
    "citation": ([CITATION], [start(), content("", "m1", SOURCE), ended()]),
    "citation of a message that is open": (
        [text("a"), CITATION, CITATION],
        [
            start(),
            content("a"),
            content("", "m1", SOURCE),
            content("", "m1", SOURCE, SOURCE),
        ],
    ),
    "progress": (
        [{"event": "run.progress", "done": 1}],
        [activity("progress", "hub.progress", {"done": 1, "total": None, "note": ""})],
    ),
    "data": (
        [datum("rows", [1]), datum("state", {"a": 1})],
        [
            activity("data:rows", "hub.data", {"name": "rows", "value": [1]}),
            {"type": "STATE_SNAPSHOT", "snapshot": {"a": 1}},
        ],
    ),
    "truncated": ([{"event": "run.truncated"}], []),
    "completed": (
        [{"event": "run.completed", "result": 7, "usage": {"tokens": 1}}],
        [{"type": "RUN_FINISHED", **IDS, "result": 7, **SUCCESS}],
    ),
    "completed, with usage as AG-UI has it": (
        [{"event": "run.completed", "usage": [{"model": "x", "inputTokens": 1}]}],
        [{"type": "RUN_FINISHED", **IDS, **SUCCESS, "usage": [{"model": "x", "inputTokens": 1}]}],
    ),
    "completed, waiting for an answer": (
        [{"event": "run.completed", "interrupts": [{"id": "i", "reason": "approval"}]}],
        [
            {
                "type": "RUN_FINISHED",
                **IDS,
                "outcome": {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval"}]},
            }
        ],
    ),
    "everything open is closed first": (
        [text("a"), thought("b", "m2"), called(message=None), step("read"), {"event": "run.completed"}],
        [
            start(),
            content("a"),
            {"type": "REASONING_START", "messageId": "m2:reasoning"},
            {"type": "REASONING_MESSAGE_START", "messageId": "m2:reasoning", "role": "reasoning"},
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": "m2:reasoning", "delta": "b"},
            {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "search"},
            {"type": "TOOL_CALL_END", "toolCallId": "c1"},
            {"type": "STEP_STARTED", "stepName": "read"},
            {"type": "REASONING_MESSAGE_END", "messageId": "m2:reasoning"},
            {"type": "REASONING_END", "messageId": "m2:reasoning"},
            ended(),
            {**RESULT, "content": "interrupted"},
            {"type": "STEP_FINISHED", "stepName": "read"},
            {"type": "RUN_FINISHED", **IDS, **SUCCESS},
        ],
    ),
    "failed": (
        [{"event": "run.failed", "code": "lost", "message": "It was lost."}],
        [{"type": "RUN_ERROR", "message": "It was lost.", "code": "lost"}],
    ),
    "cancelled": (
        [{"event": "run.cancelled", "by": "user"}],
        [{"type": "RUN_FINISHED", **IDS, "outcome": {"type": "cancelled"}}],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_event__is_what_the_table_says(row: tuple[list[Any], list[Any]]) -> None:
    events, expected = row
    assert told(*events) == expected


def test_rows__are_there_for_every_kind() -> None:
    assert {event["event"] for events, _ in ROWS.values() for event in events} == KINDS.keys()
    assert ag_ui._TELLS.keys() == KINDS.keys()


@given(events=runs, place=st.integers(0, 40), is_posted=st.booleans())
def test_late_join__at_any_moment__shows_what_an_uncut_client_shows(
    events: list[RunEvent], place: int, is_posted: bool
) -> None:
    posted = POSTED if is_posted else None
    uncut, late = (AgUiClient().read(stream(events, at, posted)[0]) for at in (1, max(1, place)))
    assert late.contents() == uncut.contents()
    assert (late.end is None) is (uncut.end is None)


@given(events=runs, place=st.integers(0, 40), stop=st.integers(0, 40), is_posted=st.booleans())
def test_stream__wherever_it_stops__has_one_terminal_frame_and_it_is_the_last(
    events: list[RunEvent], place: int, stop: int, is_posted: bool
) -> None:
    raw, profile = stream(events[: max(1, stop)], min(place, max(1, stop)), POSTED if is_posted else None)
    raw += profile.close() + profile.close()
    for event in events:
        raw += profile.event(event, AT, "abcdefgh-99")
    raw += profile.snapshot(folded(events).to_json(), "abcdefgh-99")
    kinds = [chunk["type"] for chunk in chunks_of(raw)]
    assert [kind in ("RUN_FINISHED", "RUN_ERROR") for kind in kinds] == [False] * (len(kinds) - 1) + [True]
    assert AgUiClient().read(raw).end is not None


def test_close__before_anything_was_told__begins_and_ends() -> None:
    error = {"type": "RUN_ERROR", "message": "stream_ended", "code": "stream_ended"}
    assert chunks_of(AgUi(RUN, TOPIC).close()) == [BEGUN, error]


def test_snapshot__in_the_middle__ends_the_stream() -> None:
    run, profile = folded([started()]).to_json(), AgUi(RUN, TOPIC)
    profile.snapshot(run, "abcdefgh-1")
    (chunk,) = chunks_of(profile.snapshot(run, "abcdefgh-1"))
    assert (chunk["code"], profile.is_finished) == ("stream_ended", True)


def test_snapshot__of_a_run_that_was_started_with_messages__is_all_of_them() -> None:
    events = [started(), *map(checked, [text("a"), called(arguments={"q": 1}), datum("rows", 1)])]
    chunks = chunks_of(stream(events, 4, [*POSTED, {"id": "m0", "role": "user", "content": "x"}])[0])
    assert [chunk["type"] for chunk in chunks] == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "ACTIVITY_SNAPSHOT"]
    function = {"name": "search", "arguments": '{"q":1}'}
    assert chunks[1]["messages"] == [
        *POSTED,
        {"id": "m0", "role": "user", "content": "x"},
        {
            "id": "m1",
            "role": "assistant",
            "content": "a",
            "toolCalls": [{"id": "c1", "type": "function", "function": function}],
        },
    ]


@given(events=runs, place=st.integers(1, 40))
def test_frames__of_one_event__have_one_id_and_it_stands_in_the_last(
    events: list[RunEvent], place: int
) -> None:
    profile = AgUi(RUN, TOPIC)
    parser = EventStreamParser()
    parts = [profile.snapshot(folded(events[:place]).to_json(), f"abcdefgh-{place}")]
    parts += [profile.event(each, AT, f"abcdefgh-{at}") for at, each in enumerate(events[place:], place + 1)]
    for part in parts:
        assert part.isascii()
        ids = [frame.id for frame in parser.feed(part)]
        assert ids[:-1] == [None] * len(ids[:-1])
        assert ids[-1:] != [None]
    assert parser.feed(OPEN + HEARTBEAT) == []
    assert parser.comments == [" open", " heartbeat"]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        7,
        [{"tokens": 1}],
        [{"inputTokens": -1}],
        [{"inputTokens": 1.5}],
        [{"inputTokens": 2**53}],
        [1],
    ],
)
def test_usage__in_any_other_form__is_left_out(usage: Any) -> None:
    for kind, rest in (("run.completed", {}), ("run.failed", {"code": "x", "message": ""})):
        (chunk,) = told({"event": kind, "usage": usage, **rest})
        assert "usage" not in chunk
        assert "null" not in json.dumps(chunk)
