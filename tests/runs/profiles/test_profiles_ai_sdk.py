"""A run as the AI SDK's chunks: each row of the contract's table, late joins, and an end that is always
said.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.runs.events import RunEvent
from notifications.runs.kinds import KINDS
from notifications.runs.profiles import ai_sdk
from notifications.runs.profiles.ai_sdk import AiSdk
from tests.helpers.sse import EventStreamParser
from tests.runs.cases import AT, RUN, SOURCE, called, datum, finished, returned, step, stepped, text, thought
from tests.runs.profiles.clients import AiSdkClient, chunks_of
from tests.runs.random_runs import folded, runs, started

pytestmark = pytest.mark.shape("embedded")

TOPIC, TYPE = "chat:7", "chat.answer"
METADATA = {"run": RUN, "topic": TOPIC, "type": TYPE}
BEGUN = {"type": "start", "messageId": RUN, "messageMetadata": METADATA}
BY_THE_HUB = {"dynamic": True, "providerExecuted": True}


def told(*values: dict[str, Any]) -> list[Any]:
    """What a client is told of events, one by one, after the start."""
    profile = AiSdk(RUN, TOPIC, TYPE)
    assert chunks_of(profile.snapshot(folded([started()]).to_json(), "abcdefgh-1")) == [BEGUN]
    found = []
    for value in values:
        fields = {name: each for name, each in value.items() if name != "event"}
        found += chunks_of(profile.event(RunEvent(value["event"], fields), AT, "abcdefgh-2"))
    return found


def stream(events: list[RunEvent], place: int) -> tuple[bytes, AiSdk]:
    """All frames for somebody who joins at a place."""
    profile = AiSdk(RUN, TOPIC, TYPE)
    raw = profile.snapshot(folded(events[:place]).to_json(), f"abcdefgh-{place}")
    for number, event in enumerate(events[place:], place + 1):
        raw += profile.event(event, f"2026-11-21T02:03:04.{number:06d}Z", f"abcdefgh-{number}")
    return raw, profile


def piece(kind: str, part: str, delta: str) -> dict[str, Any]:
    """The next of a text."""
    return {"type": f"{kind}-delta", "id": part, "delta": delta}


def edge(kind: str, part: str) -> dict[str, Any]:
    """A text begins or ends."""
    return {"type": kind, "id": part}


def step_as(state: str, **more: Any) -> dict[str, Any]:
    """A step."""
    about = {name: value for name, value in stepped(state, **more).items() if name != "id"}
    return {"type": "data-step", "id": "s1", "data": about}


INPUT = {"type": "tool-input-available", "toolCallId": "c1", "toolName": "search", **BY_THE_HUB}
DOCUMENT = {"id": "d2", "title": "A book", "quote": "page 7"}

ROWS: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "start again": ([{"event": "run.started"}], []),
    "step": (
        [step("read"), finished(output=[1])],
        [step_as("running"), step_as("completed", output=[1])],
    ),
    "others' messages are left out": (
        [{"event": "run.message_started", "message": "m1", "role": "user"}, text("a"), thought("b")],
        [],
    ),
    "text": (
        [text("a"), text("b"), text("x", "m2"), text("c")],
        [
            edge("text-start", "m1:1"),
            piece("text", "m1:1", "a"),
            piece("text", "m1:1", "b"),
            edge("text-start", "m2:1"),
            piece("text", "m2:1", "x"),
            piece("text", "m1:1", "c"),
        ],
    ),
    "reasoning": (
        [thought("a"), text("b"), thought("c")],
        [
            edge("reasoning-start", "m1:1"),
            piece("reasoning", "m1:1", "a"),
            edge("text-start", "m1:2"),
            piece("text", "m1:2", "b"),
            piece("reasoning", "m1:1", "c"),
        ],
    ),
    "call ends the texts of its message": (
        [text("a"), called(arguments={"q": 1}), text("b")],
        [
            edge("text-start", "m1:1"),
            piece("text", "m1:1", "a"),
            edge("text-end", "m1:1"),
            {**INPUT, "input": {"q": 1}},
            edge("text-start", "m1:2"),
            piece("text", "m1:2", "b"),
        ],
    ),
    "result, once": (
        [called(), returned(result=[1]), returned(result=2)],
        [
            {**INPUT, "input": {}},
            {"type": "tool-output-available", "toolCallId": "c1", "output": [1], **BY_THE_HUB},
        ],
    ),
    "error": (
        [called(), returned(error="no")],
        [
            {**INPUT, "input": {}},
            {"type": "tool-output-error", "toolCallId": "c1", "errorText": "no", **BY_THE_HUB},
        ],
    ),
    "citation": (
        [{"event": "run.citation", "source": {**SOURCE, "quote": "so"}}],
        [
            {
                "type": "source-url",
                "sourceId": "d1",
                "providerMetadata": {"hub": {"quote": "so"}},
                "url": SOURCE["url"],
                "title": "A page",
            }
        ],
    ),
    "citation without a url": (
        [{"event": "run.citation", "source": DOCUMENT}],
        [
            {
                "type": "source-document",
                "sourceId": "d2",
                "providerMetadata": {"hub": {"quote": "page 7"}},
                "mediaType": "text/plain",
                "title": "A book",
            }
        ],
    ),
    "progress": (
        [{"event": "run.progress", "done": 1}],
        [{"type": "data-progress", "id": "progress", "data": {"done": 1, "total": None, "note": ""}}],
    ),
    "data": ([datum("rows", [1])], [{"type": "data-rows", "id": "rows", "data": [1]}]),
    "truncated": ([{"event": "run.truncated"}], []),
    "completed": (
        [{"event": "run.completed", "result": 7, "usage": {"tokens": 1}}],
        [{"type": "finish", "finishReason": "stop", "messageMetadata": {"usage": {"tokens": 1}}}, "[DONE]"],
    ),
    "everything open is closed first": (
        [text("a"), thought("b"), called(message=None), step("read"), {"event": "run.completed"}],
        [
            edge("text-start", "m1:1"),
            piece("text", "m1:1", "a"),
            edge("reasoning-start", "m1:2"),
            piece("reasoning", "m1:2", "b"),
            {**INPUT, "input": {}},
            step_as("running"),
            edge("text-end", "m1:1"),
            edge("reasoning-end", "m1:2"),
            {"type": "tool-output-error", "toolCallId": "c1", "errorText": "interrupted", **BY_THE_HUB},
            step_as("interrupted"),
            {"type": "finish", "finishReason": "stop"},
            "[DONE]",
        ],
    ),
    "failed": (
        [{"event": "run.failed", "code": "lost", "message": "It was lost."}],
        [{"type": "error", "errorText": "It was lost."}, "[DONE]"],
    ),
    "cancelled": (
        [{"event": "run.cancelled", "by": "user", "reason": "enough"}],
        [
            {"type": "message-metadata", "messageMetadata": {"state": "cancelled"}},
            {"type": "abort", "reason": "enough"},
            "[DONE]",
        ],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_event__is_what_the_table_says(row: tuple[list[Any], list[Any]]) -> None:
    events, expected = row
    assert told(*events) == expected


def test_rows__are_there_for_every_kind() -> None:
    assert {event["event"] for events, _ in ROWS.values() for event in events} == KINDS.keys()
    assert ai_sdk._TELLS.keys() == KINDS.keys()


@given(events=runs, place=st.integers(0, 40))
def test_late_join__at_any_moment__shows_what_an_uncut_client_shows(
    events: list[RunEvent], place: int
) -> None:
    uncut, late = (AiSdkClient().read(stream(events, at)[0]).contents() for at in (1, max(1, place)))
    # Progress is no part of the transcript, so its place among the parts is not known.
    for contents in (uncut, late):
        contents["parts"].sort(key=lambda part: part.get("type") == "data-progress")
    assert late == uncut


@given(events=runs, place=st.integers(0, 40), stop=st.integers(0, 40))
def test_stream__wherever_it_stops__has_one_terminal_chunk_and_nothing_but_done_after_it(
    events: list[RunEvent], place: int, stop: int
) -> None:
    raw, profile = stream(events[: max(1, stop)], min(place, max(1, stop)))
    raw += profile.close() + profile.close()
    for event in events:
        raw += profile.event(event, AT, "abcdefgh-99")
    raw += profile.snapshot(folded(events).to_json(), "abcdefgh-99")
    *chunks, done = chunks_of(raw)
    assert done == "[DONE]"
    ends = [chunk["type"] in ("finish", "abort", "error") for chunk in chunks]
    assert ends == [False] * (len(ends) - 1) + [True]
    assert [chunk["type"] for chunk in chunks].count("start") == 1
    AiSdkClient().read(raw)


def test_close__before_anything_was_told__begins_and_ends() -> None:
    error = {"type": "error", "errorText": "stream_ended"}
    assert chunks_of(AiSdk(RUN, TOPIC, TYPE).close()) == [BEGUN, error, "[DONE]"]


def test_snapshot__in_the_middle__ends_the_stream() -> None:
    run, profile = folded([started()]).to_json(), AiSdk(RUN, TOPIC, TYPE)
    profile.snapshot(run, "abcdefgh-1")
    assert chunks_of(profile.snapshot(run, "abcdefgh-1"))[0]["errorText"] == "stream_ended"
    assert profile.is_finished


@given(events=runs, place=st.integers(1, 40))
def test_frames__of_one_event__have_one_id_and_it_stands_in_the_last(
    events: list[RunEvent], place: int
) -> None:
    profile, parser = AiSdk(RUN, TOPIC, TYPE), EventStreamParser()
    parts = [profile.snapshot(folded(events[:place]).to_json(), f"abcdefgh-{place}")]
    parts += [profile.event(each, AT, f"abcdefgh-{at}") for at, each in enumerate(events[place:], place + 1)]
    for part in parts:
        ids = [frame.id for frame in parser.feed(part)]
        assert ids[:-1] == [None] * len(ids[:-1])
        assert ids[-1:] != [None]
