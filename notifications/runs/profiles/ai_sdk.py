"""The profile ``ai-sdk``: a run in the chunks of the AI SDK's UI message stream, version 1.

``_TELLS`` says what each kind of event becomes. Everything belongs to one assistant message, whose id is the
run's at every connection; messages of others are left out. A stream of this profile never ends without
``finish``, ``abort`` or ``error``, because its client takes a clean end without one for a success; see
``close``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from notifications.runs.events import RunEvent
from notifications.runs.kinds import ENDS
from notifications.runs.profiles.framing import DONE, INTERRUPTED, STREAM_ENDED, Chunk, frames, without_nulls
from notifications.runs.run_object import events_of, progress_of

HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}
# Without them the browser would run the tool itself.
_BY_THE_HUB: Final[Mapping[str, Any]] = {"dynamic": True, "providerExecuted": True}


class AiSdk:
    """One client's stream of one run.

    Args:
        run: the run's id.
        topic: the run's topic.
        type_name: the run's type.
    """

    def __init__(self, run: str, topic: str, type_name: str) -> None:
        self._run = run
        self._about = {"run": run, "topic": topic, "type": type_name}
        self._is_begun = False
        self.is_finished = False
        self._others: set[str] = set()
        self._part_counts: dict[str, int] = {}
        # By kind and message, the ids of the parts that go on.
        self._open_parts: dict[tuple[str, str], str] = {}
        self._open_calls: list[str] = []
        self._steps: dict[str, dict[str, Any]] = {}

    def snapshot(self, run: Mapping[str, Any], cursor: str) -> bytes:
        """How every stream begins: what there is already, the last part left open.

        Args:
            run: the object with its transcript.
            cursor: of that object.
        """
        if self._is_begun:  # a second one would double everything
            return self.close()
        return frames(
            (chunk for event, at in events_of(run) for chunk in self._tell(event, at)), cursor=cursor
        )

    def event(self, event: RunEvent, at: str, cursor: str) -> bytes:
        """What one event becomes; nothing after the end."""
        return frames(self._tell(event, at), cursor=cursor)

    def close(self) -> bytes:
        """End the stream before its run: the client is told so, and comes back. Nothing after the end."""
        if self.is_finished:
            return b""
        chunks = [*self._begin(), {"type": "error", "errorText": STREAM_ENDED}, DONE]
        self.is_finished = True
        return frames(chunks)

    def _tell(self, event: RunEvent, at: str) -> list[Chunk]:
        if self.is_finished:
            return []
        chunks: list[Chunk] = [*self._begin(), *_TELLS[event.kind](self, event.fields, at)]
        self.is_finished = event.kind in ENDS
        return chunks

    def _begin(self) -> Iterator[Chunk]:
        if not self._is_begun:
            self._is_begun = True
            yield {"type": "start", "messageId": self._run, "messageMetadata": self._about}

    def _nothing(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from ()

    def _step_started(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        about = {"name": fields["name"], "parent": fields.get("parent"), "state": "running"}
        self._steps[fields["step"]] = about | {"output": None, "started_at": at, "finished_at": None}
        yield self._step(fields["step"])

    def _step_finished(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        if step := self._steps.get(fields["step"]):
            step |= {"state": "completed", "output": fields.get("output"), "finished_at": at}
            yield self._step(fields["step"])
            del self._steps[fields["step"]]

    def _step(self, step: str) -> Chunk:
        return {"type": "data-step", "id": step, "data": dict(self._steps[step])}

    def _message_started(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        if fields["role"] != "assistant":
            self._others.add(fields["message"])
        yield from ()

    def _text(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from self._delta("text", fields)

    def _reasoning(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from self._delta("reasoning", fields)

    def _delta(self, kind: str, fields: Mapping[str, Any]) -> Iterator[Chunk]:
        message = fields["message"]
        if message in self._others:
            return
        part = self._open_parts.get((kind, message))
        if part is None:
            self._part_counts[message] = count = self._part_counts.get(message, 0) + 1
            part = self._open_parts[kind, message] = f"{message}:{count}"
            yield {"type": f"{kind}-start", "id": part}
        yield {"type": f"{kind}-delta", "id": part, "delta": fields["delta"]}

    def _end_parts(self, message: str | None = None) -> Iterator[Chunk]:
        """End the parts of a message, or all."""
        for kind, of in [*self._open_parts]:
            if message in (None, of):
                yield {"type": f"{kind}-end", "id": self._open_parts.pop((kind, of))}

    def _tool_called(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        call = fields["call"]
        self._open_calls.append(call)
        if message := fields.get("message"):
            yield from self._end_parts(message)
        arguments = fields.get("arguments")
        about = {"toolName": fields["name"], "input": {} if arguments is None else arguments}
        yield {"type": "tool-input-available", "toolCallId": call, **about, **_BY_THE_HUB}

    def _tool_returned(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        call = fields["call"]
        if call not in self._open_calls:
            return
        self._open_calls.remove(call)
        about = {"toolCallId": call, **_BY_THE_HUB}
        if "error" in fields:
            yield {"type": "tool-output-error", **about, "errorText": fields["error"]}
        else:
            yield {"type": "tool-output-available", **about, "output": fields.get("result")}

    def _citation(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        source = fields["source"]
        quote = {"quote": source["quote"]} if source.get("quote") else None
        about = without_nulls(sourceId=source["id"], providerMetadata={"hub": quote} if quote else None)
        if url := source.get("url"):
            yield {"type": "source-url", **about, "url": url, **without_nulls(title=source.get("title"))}
        else:
            yield {"type": "source-document", **about, "mediaType": "text/plain", "title": source["title"]}

    def _progress(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield {"type": "data-progress", "id": "progress", "data": progress_of(fields)}

    def _data(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield {"type": f"data-{fields['name']}", "id": fields["name"], "data": fields["value"]}

    def _end_all(self, at: str) -> Iterator[Chunk]:
        """Close what is open; a call without a result would otherwise be the page's to answer."""
        yield from self._end_parts()
        for call in [*self._open_calls]:
            yield from self._tool_returned({"call": call, "error": INTERRUPTED}, at)
        for step, about in self._steps.items():
            about |= {"state": INTERRUPTED, "finished_at": at}
            yield self._step(step)

    def _completed(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from self._end_all(at)
        usage = fields.get("usage")
        metadata = {"messageMetadata": {"usage": usage}} if usage is not None else {}
        yield {"type": "finish", "finishReason": "stop", **metadata}
        yield DONE

    def _failed(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from self._end_all(at)
        yield {"type": "error", "errorText": fields["message"] or fields["code"]}
        yield DONE

    def _cancelled(self, fields: Mapping[str, Any], at: str) -> Iterator[Chunk]:
        yield from self._end_all(at)
        yield {"type": "message-metadata", "messageMetadata": {"state": "cancelled"}}
        yield {"type": "abort", **without_nulls(reason=fields.get("reason"))}
        yield DONE


_TELLS: Final[Mapping[str, Callable[[AiSdk, Mapping[str, Any], str], Iterator[Chunk]]]] = {
    "run.started": AiSdk._nothing,
    "run.step_started": AiSdk._step_started,
    "run.step_finished": AiSdk._step_finished,
    "run.message_started": AiSdk._message_started,
    "run.text": AiSdk._text,
    "run.reasoning": AiSdk._reasoning,
    "run.tool_called": AiSdk._tool_called,
    "run.tool_returned": AiSdk._tool_returned,
    "run.citation": AiSdk._citation,
    "run.progress": AiSdk._progress,
    "run.data": AiSdk._data,
    "run.truncated": AiSdk._nothing,
    "run.completed": AiSdk._completed,
    "run.failed": AiSdk._failed,
    "run.cancelled": AiSdk._cancelled,
}
