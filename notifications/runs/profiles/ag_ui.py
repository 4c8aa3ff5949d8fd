"""The profile ``ag-ui``: a run in the events of AG-UI 1.0.

``_TELLS`` says what each kind of event becomes. A stream of this profile never ends without ``RUN_FINISHED``
or ``RUN_ERROR``, because its client takes a clean end without one for a success; see ``close``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from notifications.runs.events import RunEvent, encode
from notifications.runs.kinds import ENDS
from notifications.runs.profiles.ag_ui_messages import messages_of, text_of
from notifications.runs.profiles.framing import INTERRUPTED, STREAM_ENDED, Chunk, frames, without_nulls
from notifications.runs.run_object import events_of, progress_of

PROTOCOL_VERSION: Final = "1.0"
# AG-UI's own account of the tokens of one model; its client throws, at the very end, at any other form.
_USAGE_LABELS: Final = frozenset({"provider", "model"})
_USAGE_COUNTS: Final = frozenset(
    {
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "reasoningTokens",
        "cachedInputTokens",
        "cacheWriteInputTokens",
    }
)


class AgUi:
    """One client's stream of one run.

    Args:
        run: the run's id.
        topic: the run's topic: AG-UI's thread.
        posted: the messages that AG-UI's own body started the run with; None for one that was started some
            other way. With them the client's list is replaced as a whole; without, its history stays.
    """

    def __init__(self, run: str, topic: str, posted: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._ids = {"threadId": topic, "runId": run}
        self._run = run
        self._posted = posted
        self._is_begun = False
        self.is_finished = False
        self._roles: dict[str, str] = {}
        self._open_texts: list[str] = []
        self._open_reasonings: list[str] = []
        self._open_calls: list[str] = []
        self._open_steps: dict[str, str] = {}
        self._citations: dict[str, list[Mapping[str, Any]]] = {}

    def snapshot(self, run: Mapping[str, Any], cursor: str) -> bytes:
        """How every stream begins: what there is already.

        Args:
            run: the object with its transcript.
            cursor: of that object.
        """
        if self._is_begun:  # a second one would double everything
            return self.close()
        chunks = [chunk for event, _ in events_of(run) for chunk in self._tell(event)]
        if self._posted is not None:
            chunks = self._with_messages(chunks, run)
        return frames(chunks, cursor=cursor)

    def event(self, event: RunEvent, at: str, cursor: str) -> bytes:
        """What one event becomes; nothing after the end."""
        return frames(self._tell(event), cursor=cursor)

    def close(self) -> bytes:
        """End the stream before its run: the client is told so, and comes back. Nothing after the end."""
        if self.is_finished:
            return b""
        chunks = [*self._begin(), {"type": "RUN_ERROR", "message": STREAM_ENDED, "code": STREAM_ENDED}]
        self.is_finished = True
        return frames(chunks)

    def _with_messages(self, chunks: list[Chunk], run: Mapping[str, Any]) -> list[Chunk]:
        """Put the messages as a list in place of the events that would build them up."""
        rest = [chunk for chunk in chunks[1:] if isinstance(chunk, dict) and not _builds_messages(chunk)]
        self._open_texts, self._open_reasonings = [], []
        posted = [*(self._posted or ())]
        known = {message.get("id") for message in posted}
        messages = [*posted, *(message for message in messages_of(run) if message["id"] not in known)]
        return [chunks[0], {"type": "MESSAGES_SNAPSHOT", "messages": messages}, *rest]

    def _tell(self, event: RunEvent) -> list[Chunk]:
        if self.is_finished:
            return []
        chunks: list[Chunk] = [*self._begin(), *_TELLS[event.kind](self, event.fields)]
        self.is_finished = event.kind in ENDS
        return chunks

    def _begin(self) -> Iterator[Chunk]:
        if not self._is_begun:
            self._is_begun = True
            yield {"type": "RUN_STARTED", **self._ids, "protocolVersion": PROTOCOL_VERSION}

    def _nothing(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield from ()

    def _step_started(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        name, count, taken = fields["name"], 1, set(self._open_steps.values())
        while name in taken:
            count += 1
            name = f"{fields['name']} #{count}"
        self._open_steps[fields["step"]] = name
        yield {"type": "STEP_STARTED", "stepName": name}

    def _step_finished(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        if name := self._open_steps.pop(fields["step"], None):
            yield {"type": "STEP_FINISHED", "stepName": name}

    def _message_started(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        if fields["message"] not in self._roles:
            self._roles[fields["message"]] = fields["role"]
            yield from self._open_text(fields["message"])

    def _open_text(self, message: str) -> Iterator[Chunk]:
        if message not in self._open_texts:
            self._open_texts.append(message)
            role = self._roles.setdefault(message, "assistant")
            yield {"type": "TEXT_MESSAGE_START", "messageId": message, "role": role}

    def _text(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield from self._open_text(fields["message"])
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": fields["message"], "delta": fields["delta"]}

    def _reasoning(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        message = fields["message"]
        about = {"messageId": f"{message}:reasoning"}
        if message not in self._open_reasonings:
            self._open_reasonings.append(message)
            yield {"type": "REASONING_START", **about}
            yield {"type": "REASONING_MESSAGE_START", **about, "role": "reasoning"}
        yield {"type": "REASONING_MESSAGE_CONTENT", **about, "delta": fields["delta"]}

    def _end_texts(self, messages: Sequence[str | None]) -> Iterator[Chunk]:
        for message in [each for each in self._open_reasonings if each in messages]:
            self._open_reasonings.remove(message)
            about = {"messageId": f"{message}:reasoning"}
            yield {"type": "REASONING_MESSAGE_END", **about}
            yield {"type": "REASONING_END", **about}
        for message in [each for each in self._open_texts if each in messages]:
            self._open_texts.remove(message)
            yield {"type": "TEXT_MESSAGE_END", "messageId": message}

    def _tool_called(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        call, message = fields["call"], fields.get("message")
        self._open_calls.append(call)
        yield from self._end_texts([message])
        about = {"toolCallId": call}
        # Only an assistant's message can hold a call; without one the client makes a message for it.
        is_assistants = message and self._roles.setdefault(message, "assistant") == "assistant"
        parent = without_nulls(parentMessageId=message if is_assistants else None)
        yield {"type": "TOOL_CALL_START", **about, "toolCallName": fields["name"], **parent}
        if (arguments := fields.get("arguments")) is not None:
            yield {"type": "TOOL_CALL_ARGS", **about, "delta": encode(arguments)}
        yield {"type": "TOOL_CALL_END", **about}

    def _tool_returned(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        call = fields["call"]
        if call in self._open_calls:
            self._open_calls.remove(call)
            content = fields["error"] if "error" in fields else text_of(fields.get("result"))
            about = {"messageId": f"{call}:result", "toolCallId": call}
            yield {"type": "TOOL_CALL_RESULT", **about, "content": content, "role": "tool"}

    def _citation(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        message = fields.get("message") or f"{self._run}:citations"
        so_far = self._citations.setdefault(message, [])
        so_far.append(fields["source"])
        is_open = message in self._open_texts
        yield from self._open_text(message)
        about = {"messageId": message, "delta": "", "metadata": {"hub.citations": [*so_far]}}
        yield {"type": "TEXT_MESSAGE_CONTENT", **about}
        if not is_open:
            self._open_texts.remove(message)
            yield {"type": "TEXT_MESSAGE_END", "messageId": message}

    def _progress(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield self._activity("progress", "hub.progress", progress_of(fields))

    def _data(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        if fields["name"] == "state":
            yield {"type": "STATE_SNAPSHOT", "snapshot": fields["value"]}
        else:
            yield self._activity(f"data:{fields['name']}", "hub.data", fields)

    def _activity(self, name: str, kind: str, content: Mapping[str, Any]) -> Chunk:
        about = {"messageId": f"{self._run}:{name}", "activityType": kind}
        return {"type": "ACTIVITY_SNAPSHOT", **about, "content": dict(content), "replace": True}

    def _end_all(self) -> Iterator[Chunk]:
        """Close what is open; a call without a result would otherwise be the page's to answer."""
        yield from self._end_texts([*self._open_texts, *self._open_reasonings])
        for call in [*self._open_calls]:
            yield from self._tool_returned({"call": call, "error": INTERRUPTED})
        for step in [*self._open_steps]:
            yield from self._step_finished({"step": step})

    def _completed(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield from self._end_all()
        interrupts = fields.get("interrupts")
        outcome = {"type": "interrupt", "interrupts": interrupts} if interrupts else {"type": "success"}
        rest = without_nulls(result=fields.get("result"), outcome=outcome, usage=usage_of(fields))
        yield {"type": "RUN_FINISHED", **self._ids, **rest}

    def _failed(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield from self._end_all()
        usage = without_nulls(usage=usage_of(fields))
        yield {"type": "RUN_ERROR", "message": fields["message"], "code": fields["code"], **usage}

    def _cancelled(self, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        yield from self._end_all()
        usage = without_nulls(usage=usage_of(fields))
        yield {"type": "RUN_FINISHED", **self._ids, "outcome": {"type": "cancelled"}, **usage}


_TELLS: Final[Mapping[str, Callable[[AgUi, Mapping[str, Any]], Iterator[Chunk]]]] = {
    "run.started": AgUi._nothing,
    "run.step_started": AgUi._step_started,
    "run.step_finished": AgUi._step_finished,
    "run.message_started": AgUi._message_started,
    "run.text": AgUi._text,
    "run.reasoning": AgUi._reasoning,
    "run.tool_called": AgUi._tool_called,
    "run.tool_returned": AgUi._tool_returned,
    "run.citation": AgUi._citation,
    "run.progress": AgUi._progress,
    "run.data": AgUi._data,
    "run.truncated": AgUi._nothing,
    "run.completed": AgUi._completed,
    "run.failed": AgUi._failed,
    "run.cancelled": AgUi._cancelled,
}


def _builds_messages(chunk: Mapping[str, Any]) -> bool:
    return str(chunk["type"]).startswith(("TEXT_MESSAGE_", "REASONING_", "TOOL_CALL_"))


def usage_of(fields: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The usage, where it is told as AG-UI does."""
    usage = fields.get("usage")
    return usage if isinstance(usage, list) and usage and all(map(_is_usage, usage)) else None


def _is_usage(entry: Any) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(value, str)
        if name in _USAGE_LABELS
        else name in _USAGE_COUNTS and type(value) is int and 0 <= value < 2**53
        for name, value in entry.items()
    )
