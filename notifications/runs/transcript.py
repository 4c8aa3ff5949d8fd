"""The fold: a run's events become its transcript, which is what somebody sees who comes late.

Pure, and total: an event that fits nothing changes nothing. Invariants:

- Going on from a snapshot ends as going on from the beginning: ``from_json(to_json())`` loses nothing.
- ``parts`` stand in the order in which they began. A delta goes to the newest part of its message and kind,
  unless a call of that message came after it: then it begins a new part.
- A delta costs the same however long the text is: pieces are joined when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from notifications.runs.events import RunEvent

_KINDS_OF_TEXT: Final = ("text", "reasoning")


class _Text:
    """A part that holds text, in pieces."""

    __slots__ = ("kind", "message", "pieces")

    def __init__(self, kind: str, message: str, text: str = "") -> None:
        self.kind, self.message, self.pieces = kind, message, [text] if text else []

    def to_json(self) -> dict[str, Any]:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        return {"kind": self.kind, "message": self.message, "text": self.pieces[0] if self.pieces else ""}


class Transcript:
    """What a run has told so far."""

    def __init__(self) -> None:
        self._parts: list[_Text | dict[str, Any]] = []
        self._messages: dict[str, str] = {}
        self._tools: dict[str, dict[str, Any]] = {}
        self._steps: dict[str, dict[str, Any]] = {}
        self._data: dict[str, Any] = {}
        # The part that the next delta of a kind and message goes to.
        self._newest: dict[tuple[str, str], _Text] = {}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Transcript:
        """Read back what ``to_json`` gave."""
        transcript = cls()
        transcript._messages = {message["id"]: message["role"] for message in data["messages"]}
        transcript._tools = {tool["id"]: dict(tool) for tool in data["tools"]}
        transcript._steps = {step["id"]: dict(step) for step in data["steps"]}
        transcript._data = dict(data["data"])
        for part in data["parts"]:
            if part["kind"] in _KINDS_OF_TEXT:
                text = _Text(part["kind"], part["message"], part["text"])
                transcript._newest[text.kind, text.message] = text
                transcript._parts.append(text)
                continue
            transcript._parts.append(dict(part))
            if part["kind"] == "tool":
                transcript._close_texts(transcript._tools[part["call"]]["message"])
        return transcript

    def to_json(self) -> dict[str, Any]:
        """The transcript as the wire has it."""
        return {
            "parts": [part.to_json() if isinstance(part, _Text) else dict(part) for part in self._parts],
            "messages": [{"id": message, "role": role} for message, role in self._messages.items()],
            "tools": [dict(tool) for tool in self._tools.values()],
            "steps": [dict(step) for step in self._steps.values()],
            "data": dict(self._data),
        }

    def fold(self, event: RunEvent, at: str) -> None:
        """Take in one event.

        Args:
            event: checked; of a kind that says nothing to a transcript, it changes nothing.
            at: its time, as the wire has it.
        """
        if fold := _FOLDS.get(event.kind):
            fold(self, event.fields, at)

    def interrupt(self, at: str) -> None:
        """The run has ended: nothing that is open goes on."""
        for entry in (*self._tools.values(), *self._steps.values()):
            if entry["state"] == "running":
                entry["state"] = "interrupted"
                if "finished_at" in entry:
                    entry["finished_at"] = at

    def _text(self, fields: Mapping[str, Any], at: str) -> None:
        self._add_delta("text", fields["message"], fields["delta"])

    def _reasoning(self, fields: Mapping[str, Any], at: str) -> None:
        self._add_delta("reasoning", fields["message"], fields["delta"])

    def _add_delta(self, kind: str, message: str, delta: str) -> None:
        if not delta:
            return
        text = self._newest.get((kind, message))
        if text is None:
            self._begin(message)
            text = self._newest[kind, message] = _Text(kind, message)
            self._parts.append(text)
        text.pieces.append(delta)

    def _message_started(self, fields: Mapping[str, Any], at: str) -> None:
        self._begin(fields["message"], fields["role"])

    def _begin(self, message: str | None, role: str = "assistant") -> None:
        if message is not None:
            self._messages.setdefault(message, role)

    def _close_texts(self, message: str | None) -> None:
        if message is not None:
            for kind in _KINDS_OF_TEXT:
                self._newest.pop((kind, message), None)

    def _tool_called(self, fields: Mapping[str, Any], at: str) -> None:
        call, message = fields["call"], fields.get("message")
        if call in self._tools:
            return
        self._begin(message)
        self._close_texts(message)
        about = {"id": call, "name": fields["name"], "message": message, "state": "running"}
        self._tools[call] = about | {"arguments": fields.get("arguments"), "result": None, "error": None}
        self._parts.append({"kind": "tool", "call": call})

    def _tool_returned(self, fields: Mapping[str, Any], at: str) -> None:
        tool = self._tools.get(fields["call"])
        if tool is None or tool["state"] != "running":
            return
        tool["state"] = "failed" if "error" in fields else "completed"
        tool["result"], tool["error"] = fields.get("result"), fields.get("error")

    def _step_started(self, fields: Mapping[str, Any], at: str) -> None:
        step = fields["step"]
        if step in self._steps:
            return
        about = {"id": step, "name": fields["name"], "parent": fields.get("parent"), "state": "running"}
        self._steps[step] = about | {"output": None, "started_at": at, "finished_at": None}
        self._parts.append({"kind": "step", "step": step})

    def _step_finished(self, fields: Mapping[str, Any], at: str) -> None:
        step = self._steps.get(fields["step"])
        if step is not None and step["state"] == "running":
            step |= {"state": "completed", "output": fields.get("output"), "finished_at": at}

    def _citation(self, fields: Mapping[str, Any], at: str) -> None:
        message = fields.get("message")
        self._begin(message)
        self._parts.append({"kind": "source", "message": message, "source": fields["source"]})

    def _replace_data(self, fields: Mapping[str, Any], at: str) -> None:
        name = fields["name"]
        if name not in self._data:
            self._parts.append({"kind": "data", "name": name})
        self._data[name] = fields["value"]


_FOLDS: Final[Mapping[str, Callable[[Transcript, Mapping[str, Any], str], None]]] = {
    "run.text": Transcript._text,
    "run.reasoning": Transcript._reasoning,
    "run.message_started": Transcript._message_started,
    "run.tool_called": Transcript._tool_called,
    "run.tool_returned": Transcript._tool_returned,
    "run.step_started": Transcript._step_started,
    "run.step_finished": Transcript._step_finished,
    "run.citation": Transcript._citation,
    "run.data": Transcript._replace_data,
}
