"""A run's transcript as the messages that a client of AG-UI keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.runs.events import encode
from notifications.runs.kinds import ENDS
from notifications.runs.profiles.framing import INTERRUPTED


def text_of(value: Any) -> str:
    """A value as text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else encode(value)


def messages_of(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages that a client has which was there from the beginning.

    Args:
        run: the object with its transcript.
    """
    transcript, messages = run["transcript"], _Messages(run["id"])
    tools = {tool["id"]: tool for tool in transcript["tools"]}
    for message in transcript["messages"]:
        messages.add(message["id"], message["role"])
    for part in transcript["parts"]:
        match part["kind"]:
            case "text":
                messages.add(part["message"])["content"] += part["text"]
            case "reasoning":
                messages.add(f"{part['message']}:reasoning", "reasoning")["content"] += part["text"]
            case "tool":
                messages.add_call(tools[part["call"]], is_ended=run["state"] in ENDS.values())
            case "source":
                messages.cite(part["message"], part["source"])
    return list(messages.by_id.values())


class _Messages:
    def __init__(self, run: str) -> None:
        self._run = run
        self.by_id: dict[str, dict[str, Any]] = {}

    def add(self, message: str, role: str = "assistant") -> dict[str, Any]:
        return self.by_id.setdefault(message, {"id": message, "role": role, "content": ""})

    def add_call(self, tool: Mapping[str, Any], *, is_ended: bool) -> None:
        """A call stands in its message if that is an assistant's, else in one of its own."""
        arguments = "" if tool["arguments"] is None else encode(tool["arguments"])
        function = {"name": tool["name"], "arguments": arguments}
        call = {"id": tool["id"], "type": "function", "function": function}
        message = self.add(tool["message"] or tool["id"])
        if message["role"] != "assistant":
            message = self.add(tool["id"])
        message.setdefault("toolCalls", []).append(call)
        if tool["state"] != "running" or is_ended:
            result = self.add(f"{tool['id']}:result", "tool")
            result |= {"toolCallId": tool["id"], "content": _content_of(tool)}

    def cite(self, message: str | None, source: Mapping[str, Any]) -> None:
        metadata = self.add(message or f"{self._run}:citations").setdefault("metadata", {})
        metadata.setdefault("hub.citations", []).append(source)


def _content_of(tool: Mapping[str, Any]) -> str:
    match tool["state"]:
        case "completed":
            return text_of(tool["result"])
        case "failed":
            return str(tool["error"])
    return INTERRUPTED
