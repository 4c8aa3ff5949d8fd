"""The object of a run: what the start said, how far it is, how it ended, and its transcript.

``RunObject`` folds events into it, and ``events_of`` takes one apart again into events that fold to the same:
the profiles tell a snapshot to their clients that way, as if they had been there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from notifications.protocol.cursors import cursor_text
from notifications.runs.events import LoggedEvent, RunEvent, encode
from notifications.runs.kinds import ENDS
from notifications.runs.transcript import Transcript

# The fields in their order, and what they are before anything has happened.
_AT_FIRST: Final[Mapping[str, Any]] = {
    "id": "",
    "type": "",
    "title": "",
    "topic": "",
    "state": "running",
    "cursor": "",
    "number": 0,
    "owner": "",
    "started_at": None,
    "finished_at": None,
    "cancel_requested_at": None,
    "data": {},
    "progress": None,
    "transcript": None,
    "result": None,
    "usage": None,
    "error": None,
    "interrupts": [],
    "is_truncated": False,
}


class RunObject:
    """A run as it is after some of its events.

    Args:
        epoch: of its cursors.
        about: fields of the object that the start has set.
    """

    def __init__(self, epoch: str, about: Mapping[str, Any] | None = None) -> None:
        self.epoch = epoch
        self.number = 0
        self._about: dict[str, Any] = {**_AT_FIRST, **(about or {})}
        self._transcript = Transcript()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunObject:
        """Read back what ``to_json`` gave, or ``run.snapshot`` told."""
        run = cls(data["cursor"].partition("-")[0], data)
        run.number = data["number"]
        run._transcript = Transcript.from_json(data["transcript"])
        return run

    @property
    def cursor(self) -> str:
        """Everything up to here is in it."""
        return cursor_text(self.epoch, self.number)

    @property
    def is_ended(self) -> bool:
        """Whether nothing more can come."""
        return self._about["state"] in ENDS.values()

    def fold(self, logged: LoggedEvent) -> None:
        """Take in the next event; one at or before the number that is folded already does nothing."""
        if logged.number <= self.number or self.is_ended:
            return
        self.number = logged.number
        event, at = logged.event, logged.at
        if event.kind in ENDS:
            self._end(event, at)
        elif event.kind == "run.started":
            self._about |= {**event.fields, "started_at": event.fields.get("started_at") or at}
        elif event.kind == "run.progress":
            self._about["progress"] = progress_of(event.fields)
        elif event.kind == "run.truncated":
            self._about["is_truncated"] = True
        else:
            self._transcript.fold(event, at)

    def to_json(self, *, with_transcript: bool = True) -> dict[str, Any]:
        """The object as the wire has it."""
        transcript = {"transcript": self._transcript.to_json()} if with_transcript else {}
        about = self._about | {"cursor": self.cursor, "number": self.number} | transcript
        if not with_transcript:
            del about["transcript"]
        return about

    def to_bytes(self) -> bytes:
        """The object as one line of ASCII JSON: the data of ``run.snapshot``."""
        return encode(self.to_json()).encode("ascii")

    def _end(self, event: RunEvent, at: str) -> None:
        fields = event.fields
        self._transcript.interrupt(at)
        self._about |= {
            "state": ENDS[event.kind],
            "finished_at": at,
            "result": fields.get("result"),
            "usage": fields.get("usage"),
            "error": _error_of(event),
            "interrupts": fields.get("interrupts") or [],
        }


def progress_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """How far a run is, with what was left out."""
    return {"done": fields["done"], "total": fields.get("total"), "note": fields.get("note") or ""}


def _error_of(event: RunEvent) -> dict[str, Any] | None:
    """Why a run did not complete, for people and for programs."""
    if event.kind == "run.failed":
        return {"code": event.fields["code"], "message": event.fields["message"]}
    if event.kind == "run.cancelled":
        return {"code": "cancelled", "message": event.fields.get("reason") or "", "by": event.fields["by"]}
    return None


def events_of(run: Mapping[str, Any]) -> Iterator[tuple[RunEvent, str]]:
    """Events, each with its time, that fold to an object of a run, from its ``run.started`` on.

    Args:
        run: the object with its transcript.
    """
    started = {
        name: run[name]
        for name in run
        if name not in ("transcript", "progress", "result", "usage", "error", "interrupts", "is_truncated")
    }
    is_ended = run["state"] in ENDS.values()
    started |= {"state": "running", "finished_at": None} if is_ended else {}
    yield RunEvent("run.started", started), run["started_at"] or ""
    yield from _events_of_transcript(run["transcript"])
    if run["progress"] is not None:
        yield RunEvent("run.progress", run["progress"]), ""
    if run["is_truncated"]:
        yield RunEvent("run.truncated", {}), ""
    if is_ended:
        yield _end_of(run), run["finished_at"]


def _end_of(run: Mapping[str, Any]) -> RunEvent:
    kind, error = f"run.{run['state']}", run["error"] or {}
    usage = {"usage": run["usage"]} if run["usage"] is not None else {}
    if kind == "run.failed":
        return RunEvent(kind, {"code": error["code"], "message": error["message"], **usage})
    if kind == "run.cancelled":
        return RunEvent(kind, {"by": error["by"], "reason": error["message"], **usage})
    return RunEvent(kind, {"result": run["result"], "interrupts": run["interrupts"], **usage})


def _events_of_transcript(transcript: Mapping[str, Any]) -> Iterator[tuple[RunEvent, str]]:
    """In the order of the parts; a message begins before the first part that is of it, and after the
    messages that began before. A part begins an assistant's message by itself.
    """
    tools = {tool["id"]: tool for tool in transcript["tools"]}
    steps = {step["id"]: step for step in transcript["steps"]}
    waiting = {message["id"]: message["role"] for message in transcript["messages"]}

    def begun(message: str | None) -> Iterator[tuple[RunEvent, str]]:
        while message in waiting:
            first = next(iter(waiting))
            role = waiting.pop(first)
            if first != message or role != "assistant":
                yield RunEvent("run.message_started", {"message": first, "role": role}), ""

    for part in transcript["parts"]:
        of = tools[part["call"]] if part["kind"] == "tool" else part
        yield from begun(of.get("message"))
        match part["kind"]:
            case "tool":
                yield from _events_of_tool(tools[part["call"]])
            case "step":
                yield from _events_of_step(steps[part["step"]])
            case _:
                yield _event_of_part(part, transcript["data"]), ""
    for message, role in waiting.items():
        yield RunEvent("run.message_started", {"message": message, "role": role}), ""


def _event_of_part(part: Mapping[str, Any], data: Mapping[str, Any]) -> RunEvent:
    match part["kind"]:
        case "source":
            return RunEvent("run.citation", _given(part, "message", "source"))
        case "data":
            return RunEvent("run.data", {"name": part["name"], "value": data[part["name"]]})
    return RunEvent(f"run.{part['kind']}", {"message": part["message"], "delta": part["text"]})


def _events_of_tool(tool: Mapping[str, Any]) -> Iterator[tuple[RunEvent, str]]:
    about = {"call": tool["id"], **_given(tool, "name", "message", "arguments")}
    yield RunEvent("run.tool_called", about), ""
    if tool["state"] in ("completed", "failed"):
        outcome = "result" if tool["state"] == "completed" else "error"
        yield RunEvent("run.tool_returned", {"call": tool["id"], outcome: tool[outcome]}), ""


def _events_of_step(step: Mapping[str, Any]) -> Iterator[tuple[RunEvent, str]]:
    about = {"step": step["id"], **_given(step, "name", "parent")}
    yield RunEvent("run.step_started", about), step["started_at"]
    if step["state"] == "completed":
        finished = {"step": step["id"], **_given(step, "output")}
        yield RunEvent("run.step_finished", finished), step["finished_at"]


def _given(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: entry[name] for name in names if entry[name] is not None}
