"""Clients of the foreign profiles, written from their own protocols: what a page has after some frames.

They refuse what the real clients refuse: an end of what is not open, a beginning of what is, anything after
the end of the run.
"""

from __future__ import annotations

import json
from typing import Any

from tests.helpers.sse import EventStreamParser

TERMINAL_AG_UI = ("RUN_FINISHED", "RUN_ERROR")


def chunks_of(raw: bytes) -> list[Any]:
    """What the frames hold: JSON objects, and the AI SDK's end."""
    events = EventStreamParser().feed(raw)
    assert {event.type for event in events} <= {"message"}
    return [event.data if event.data == "[DONE]" else json.loads(event.data) for event in events]


class AgUiClient:
    """A page that speaks AG-UI."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.activities: dict[str, Any] = {}
        self.state: Any = None
        self.steps: list[str] = []
        self.open: set[tuple[str, str]] = set()
        self.is_begun = False
        self.end: dict[str, Any] | None = None

    def read(self, raw: bytes) -> AgUiClient:
        """Take in some frames."""
        for chunk in chunks_of(raw):
            assert self.end is None, chunk
            assert self.is_begun is (chunk["type"] != "RUN_STARTED"), chunk
            self.is_begun = True
            if chunk["type"] in TERMINAL_AG_UI:
                self.end = chunk
                if chunk.get("code") != "stream_ended":
                    assert not self.open, self.open
            else:
                self._take(chunk["type"], chunk)
        return self

    def contents(self) -> dict[str, Any]:
        """What it shows, whatever began first."""
        shown = {key: message for key, message in self.messages.items() if message != empty(key, message)}
        return {"messages": shown, "activities": self.activities, "state": self.state, "end": self.end}

    def _take(self, kind: str, chunk: dict[str, Any]) -> None:
        message = chunk.get("messageId", "")
        match kind.split("_"):
            case ["TEXT", "MESSAGE", what] | ["REASONING", "MESSAGE", what]:
                self._text(what, kind.split("_")[0], message, chunk)
            case ["REASONING", what]:
                self._turn(what, "outer", message)
            case ["TOOL", "CALL", what]:
                self._call(what, chunk)
            case ["STEP", what]:
                self._turn("START" if what == "STARTED" else "END", "step", chunk["stepName"])
            case ["STATE", "SNAPSHOT"]:
                self.state = chunk["snapshot"]
            case ["ACTIVITY", "SNAPSHOT"]:
                self.activities[message] = (chunk["activityType"], chunk["content"])
            case ["MESSAGES", "SNAPSHOT"]:
                self.messages = {each["id"]: each for each in chunk["messages"]}
                answered = {each.get("toolCallId") for each in chunk["messages"]}
                tools = [tool["id"] for each in chunk["messages"] for tool in each.get("toolCalls", ())]
                self.open |= {("result", tool) for tool in tools if tool not in answered}
            case ["RUN", "STARTED"]:
                pass
            case _:
                raise AssertionError(kind)

    def _turn(self, what: str, kind: str, key: str) -> None:
        assert ((kind, key) in self.open) is (what == "END"), (what, kind, key)
        (self.open.add if what == "START" else self.open.remove)((kind, key))

    def _text(self, what: str, kind: str, message: str, chunk: dict[str, Any]) -> None:
        if what == "CONTENT":
            assert (kind, message) in self.open
            kept = self.messages[message]
            kept["content"] += chunk["delta"]
            if "metadata" in chunk:
                kept.setdefault("metadata", {}).update(chunk["metadata"])
            return
        self._turn(what, kind, message)
        fresh = {"id": message, "role": chunk.get("role"), "content": ""}
        self.messages.setdefault(message, fresh)

    def _call(self, what: str, chunk: dict[str, Any]) -> None:
        call = chunk["toolCallId"]
        if what == "RESULT":
            assert ("result", call) in self.open
            self.open.remove(("result", call))
            about = {"id": chunk["messageId"], "role": "tool", "toolCallId": call}
            self.messages[chunk["messageId"]] = {**about, "content": chunk["content"]}
        elif what == "ARGS":
            self._tool(call)["function"]["arguments"] += chunk["delta"]
        else:
            self._turn(what, "call", call)
            if what == "START":
                parent = chunk.get("parentMessageId", call)
                message = self.messages.setdefault(parent, {"id": parent, "role": "assistant", "content": ""})
                tool = {"id": call, "type": "function"}
                tool |= {"function": {"name": chunk["toolCallName"], "arguments": ""}}
                message.setdefault("toolCalls", []).append(tool)
                self.open.add(("result", call))

    def _tool(self, call: str) -> dict[str, Any]:
        tools = [tool for each in self.messages.values() for tool in each.get("toolCalls", ())]
        return next(tool for tool in tools if tool["id"] == call)


def empty(key: str, message: dict[str, Any]) -> dict[str, Any]:
    """The message without anything in it."""
    return {"id": key, "role": message["role"], "content": ""}


class AiSdkClient:
    """A page that speaks the AI SDK's UI message stream."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}
        self.message: str | None = None
        self.end: list[Any] = []
        self._open: dict[str, dict[str, Any]] = {}

    def read(self, raw: bytes) -> AiSdkClient:
        """Take in some frames."""
        for chunk in chunks_of(raw):
            if self.end:
                assert chunk == "[DONE]" != self.end[-1], chunk
                self.end.append(chunk)
                continue
            assert (self.message is None) is (chunk["type"] == "start"), chunk
            self.metadata |= chunk.get("messageMetadata", {})
            self._take(chunk["type"], chunk)
        return self

    def contents(self) -> dict[str, Any]:
        """What it shows."""
        return {"parts": self.parts, "metadata": self.metadata, "end": self.end}

    def _take(self, kind: str, chunk: dict[str, Any]) -> None:
        match kind.split("-"):
            case ["start"]:
                self.message = chunk["messageId"]
            case ["finish"] | ["abort"] | ["error"]:
                assert not self._open or chunk.get("errorText") == "stream_ended"
                self.end.append(chunk)
            case ["text" | "reasoning" as form, what]:
                self._text(form, what, chunk)
            case ["tool", "input", "available"]:
                assert chunk["dynamic"] is chunk["providerExecuted"] is True
                self.parts.append(
                    {"call": chunk["toolCallId"], "input": chunk["input"], "name": chunk["toolName"]}
                )
            case ["tool", "output", _]:
                (tool,) = [part for part in self.parts if part.get("call") == chunk["toolCallId"]]
                assert "output" not in tool
                tool["output"] = chunk.get("output", chunk.get("errorText"))
            case ["source", _]:
                self.parts.append(chunk)
            case ["data", *_]:
                kept = [
                    part for part in self.parts if (part.get("type"), part.get("id")) == (kind, chunk["id"])
                ]
                (kept[0].update if kept else self.parts.append)(chunk)
            case ["message", "metadata"]:
                pass
            case _:
                raise AssertionError(kind)

    def _text(self, form: str, what: str, chunk: dict[str, Any]) -> None:
        part = chunk["id"]
        assert (part in self._open) is (what != "start"), chunk
        if what == "start":
            self._open[part] = {"type": form, "text": ""}
            self.parts.append(self._open[part])
        elif what == "delta":
            self._open[part]["text"] += chunk["delta"]
        else:
            del self._open[part]
