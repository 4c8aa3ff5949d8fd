"""Cases of the fold of a run, by which the hub's and the page's are held to the same.

Each says what happens, and what of the object is so afterwards.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

AT: Final = "2026-11-21T02:03:04.567890Z"
EPOCH: Final = "abcdefgh"
RUN: Final = "0197a000-0000-7000-8000-000000000001"
Event = dict[str, Any]


class FoldCase(NamedTuple):
    """Events of a run that is running, and fields of its transcript and of its object after them."""

    events: list[Event]
    transcript: dict[str, Any] = {}
    run: dict[str, Any] = {}


def text(delta: str, message: str = "m1") -> Event:
    """A piece of an answer."""
    return {"event": "run.text", "message": message, "delta": delta}


def thought(delta: str, message: str = "m1") -> Event:
    """A piece of reasoning."""
    return {"event": "run.reasoning", "message": message, "delta": delta}


def called(call: str = "c1", message: str | None = "m1", arguments: Any = None) -> Event:
    """A call of a tool."""
    event = {"event": "run.tool_called", "call": call, "name": "search", "arguments": arguments}
    return event if message is None else {**event, "message": message}


def returned(call: str = "c1", **outcome: Any) -> Event:
    """What came of it."""
    return {"event": "run.tool_returned", "call": call, **outcome}


def step(name: str, step: str = "s1", **more: Any) -> Event:
    """A step that begins."""
    return {"event": "run.step_started", "step": step, "name": name, **more}


def finished(step: str = "s1", **more: Any) -> Event:
    """A step that is done."""
    return {"event": "run.step_finished", "step": step, **more}


def datum(name: str, value: Any) -> Event:
    """A piece of data."""
    return {"event": "run.data", "name": name, "value": value}


def tool(state: str, **more: Any) -> Event:
    """A tool as the transcript has it."""
    about = {"id": "c1", "name": "search", "message": "m1", "state": state, "arguments": None}
    return {**about, "result": None, "error": None, **more}


def stepped(state: str, **more: Any) -> Event:
    """A step as the transcript has it."""
    about = {"id": "s1", "name": "read", "parent": None, "state": state, "output": None}
    return {**about, "started_at": AT, "finished_at": None if state == "running" else AT, **more}


SOURCE: Final = {"id": "d1", "title": "A page", "url": "https://example.com/"}
TEXT_PART: Final = {"kind": "text", "message": "m1"}
TOOL_PART: Final = {"kind": "tool", "call": "c1"}

FOLD: Final = {
    "nothing": FoldCase([], {"parts": [], "messages": [], "tools": [], "steps": [], "data": {}}),
    "deltas are one part": FoldCase(
        [text("a"), text("b")],
        {"parts": [{**TEXT_PART, "text": "ab"}], "messages": [{"id": "m1", "role": "assistant"}]},
    ),
    "an empty delta begins nothing": FoldCase([text("")], {"parts": [], "messages": []}),
    "text and reasoning go on side by side": FoldCase(
        [thought("1"), text("a"), thought("2"), text("b")],
        {
            "parts": [
                {"kind": "reasoning", "message": "m1", "text": "12"},
                {**TEXT_PART, "text": "ab"},
            ]
        },
    ),
    "messages go on side by side": FoldCase(
        [text("a"), text("x", "m2"), text("b")],
        {"parts": [{**TEXT_PART, "text": "ab"}, {"kind": "text", "message": "m2", "text": "x"}]},
    ),
    "after a call of its message a delta begins a new part": FoldCase(
        [thought("1"), text("a"), called(), text("b"), text("c"), thought("2")],
        {
            "parts": [
                {"kind": "reasoning", "message": "m1", "text": "1"},
                {**TEXT_PART, "text": "a"},
                TOOL_PART,
                {**TEXT_PART, "text": "bc"},
                {"kind": "reasoning", "message": "m1", "text": "2"},
            ]
        },
    ),
    "a call of another message parts nothing": FoldCase(
        [text("a"), called(message="m2"), text("b")],
        {"parts": [{**TEXT_PART, "text": "ab"}, TOOL_PART]},
    ),
    "a call of no message parts nothing": FoldCase(
        [text("a"), called(message=None), text("b")],
        {
            "parts": [{**TEXT_PART, "text": "ab"}, TOOL_PART],
            "messages": [{"id": "m1", "role": "assistant"}],
            "tools": [tool("running", message=None)],
        },
    ),
    "what is between two deltas parts nothing else": FoldCase(
        [
            text("a"),
            step("read"),
            datum("n", 1),
            {"event": "run.citation", "message": "m1", "source": SOURCE},
            text("b"),
        ],
        {
            "parts": [
                {**TEXT_PART, "text": "ab"},
                {"kind": "step", "step": "s1"},
                {"kind": "data", "name": "n"},
                {"kind": "source", "message": "m1", "source": SOURCE},
            ]
        },
    ),
    "a message has the role that it began with": FoldCase(
        [
            {"event": "run.message_started", "message": "m1", "role": "user"},
            {"event": "run.message_started", "message": "m1", "role": "system"},
            text("a"),
        ],
        {"parts": [{**TEXT_PART, "text": "a"}], "messages": [{"id": "m1", "role": "user"}]},
    ),
    "a call": FoldCase([called(arguments={"q": 1})], {"tools": [tool("running", arguments={"q": 1})]}),
    "a call that returns, once": FoldCase(
        [called(), returned(result=[1]), returned(result=[2]), returned(error="no")],
        {"tools": [tool("completed", result=[1])]},
    ),
    "a call that returns nothing": FoldCase([called(), returned()], {"tools": [tool("completed")]}),
    "a call that fails": FoldCase([called(), returned(error="no")], {"tools": [tool("failed", error="no")]}),
    "a call that comes twice": FoldCase([called(), called(arguments=1)], {"tools": [tool("running")]}),
    "a result of no call": FoldCase([returned(result=1)], {"tools": [], "parts": []}),
    "a step": FoldCase(
        [step("read"), finished(output={"rows": 3}), finished(output=None)],
        {"steps": [stepped("completed", output={"rows": 3})], "parts": [{"kind": "step", "step": "s1"}]},
    ),
    "a step in a step": FoldCase([step("read", parent="s0")], {"steps": [stepped("running", parent="s0")]}),
    "a step that comes twice": FoldCase([step("read"), step("write")], {"steps": [stepped("running")]}),
    "an end of no step": FoldCase([finished()], {"steps": [], "parts": []}),
    "a citation of no message": FoldCase(
        [{"event": "run.citation", "source": SOURCE}],
        {"parts": [{"kind": "source", "message": None, "source": SOURCE}], "messages": []},
    ),
    "data are replaced by their name": FoldCase(
        [datum("a", 1), datum("b", None), datum("a", {"x": []})],
        {
            "data": {"a": {"x": []}, "b": None},
            "parts": [{"kind": "data", "name": "a"}, {"kind": "data", "name": "b"}],
        },
    ),
    "data whose name every object of the page has": FoldCase(
        [datum("constructor", 1)],
        {"data": {"constructor": 1}, "parts": [{"kind": "data", "name": "constructor"}]},
    ),
    "progress": FoldCase(
        [{"event": "run.progress", "done": 1}, {"event": "run.progress", "done": 2, "total": 4, "note": "x"}],
        {"parts": []},
        {"progress": {"done": 2, "total": 4, "note": "x"}},
    ),
    "progress without an end": FoldCase(
        [{"event": "run.progress", "done": 1}], {}, {"progress": {"done": 1, "total": None, "note": ""}}
    ),
    "something was cut": FoldCase([{"event": "run.truncated"}], {"parts": []}, {"is_truncated": True}),
    "completed": FoldCase(
        [{"event": "run.completed", "result": 7, "usage": {"tokens": 3}, "interrupts": []}],
        {},
        {"state": "completed", "result": 7, "usage": {"tokens": 3}, "finished_at": AT, "error": None},
    ),
    "what is open at the end is interrupted": FoldCase(
        [called(), step("read"), called("c2"), returned("c2"), {"event": "run.completed"}],
        {
            "tools": [tool("interrupted"), tool("completed", id="c2")],
            "steps": [stepped("interrupted")],
        },
        {"state": "completed", "result": None, "usage": None, "interrupts": []},
    ),
    "failed": FoldCase(
        [{"event": "run.failed", "code": "error", "message": "It broke."}],
        {},
        {"state": "failed", "error": {"code": "error", "message": "It broke."}},
    ),
    "cancelled": FoldCase(
        [{"event": "run.cancelled", "by": "staff", "reason": "too long"}],
        {},
        {"state": "cancelled", "error": {"code": "cancelled", "message": "too long", "by": "staff"}},
    ),
    "nothing comes after the end": FoldCase(
        [
            {"event": "run.completed", "result": 1},
            text("a"),
            {"event": "run.failed", "code": "x", "message": ""},
        ],
        {"parts": []},
        {"state": "completed", "result": 1, "number": 1, "cursor": f"{EPOCH}-1"},
    ),
    "an event that nobody knows moves the cursor alone": FoldCase(
        [{"event": "run.sung", "delta": "la"}], {"parts": []}, {"number": 1, "cursor": f"{EPOCH}-1"}
    ),
    "the start": FoldCase(
        [{"event": "run.started", "type": "chat.answer", "title": "T", "state": "running", "data": {"a": 1}}],
        {"parts": []},
        {"type": "chat.answer", "title": "T", "data": {"a": 1}, "started_at": AT, "number": 1},
    ),
}
