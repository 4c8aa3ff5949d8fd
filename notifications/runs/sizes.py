"""The limits of a run, and what of an event fits within them: decided before the event has its number.

So what was seen live and what a snapshot tells agree. ``Sizes`` is all that has to be known of the events
before: a producer keeps it, the door for HTTP stores it beside the log, and after a restart it is made again
from the object of the run, to the same.

Invariants:

- ``Sizes.of(object)`` is what ``admit`` has left behind once every event that it returned is folded.
- The transcript as compact JSON in UTF-8 never has more bytes than ``total``, and ``total`` never more than
  1 MiB.
- What is cut ends between two characters, and after a cut no more of that text is taken: a text has no hole.
  So that this holds, a run that is nearly full stays so, though a piece of data may become smaller.
- An event that would change nothing in the fold, such as the result of an unknown call, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from notifications.runs.events import RunEvent
from notifications.runs.kinds import ENDS, KINDS, Form

MAX_TEXT_BYTES: Final = 256 * 1024
MAX_VALUE_BYTES: Final = 32 * 1024
MAX_TOTAL_BYTES: Final = 1024 * 1024
MAX_DATA_NAMES: Final = 64
MAX_STEPS: Final = 500
MAX_TOOLS: Final = 500
MAX_SOURCES: Final = 500
# The most bytes that one character has, as UTF-8 and in JSON: where less room is left, nothing more is taken.
_WIDEST: Final = 4
_WIDEST_IN_JSON: Final = 6
# With less room than this a run is full: it takes what closes something, and nothing else. It is enough for
# any message, call or step to begin, without its values. A text leaves the second number free, so that one
# which was cut for want of room leaves a full run behind.
_FULL_BYTES: Final = 12 * 1024
_KEPT_FREE_BYTES: Final = 8 * 1024
_NULL_BYTES: Final = 4
# What an entry and its parts take in the transcript beside what the producer sent.
_MESSAGE_BYTES: Final = 200
_TOOL_BYTES: Final = 320
_STEP_BYTES: Final = 220
_SOURCE_BYTES: Final = 60
_DATA_BYTES: Final = 40
_EMPTY_BYTES: Final = 100
_KEPT_VALUES: Final = ("arguments", "result", "error", "output")
_CLOSING: Final = frozenset({*ENDS, "run.tool_returned", "run.step_finished", "run.progress"})
_KIND_OF_TEXT: Final[Mapping[str, str]] = {"run.text": "text", "run.reasoning": "reasoning"}


@dataclass
class Sizes:
    """How much of the limits a run has used.

    Attributes:
        total: bytes that the transcript has at most, as JSON.
        texts: bytes of each message's text and reasoning, by kind and message.
        calls: the calls, each with whether it has returned.
        steps: the steps, each with whether it is finished.
        data: the bytes of each piece of data, by name.
        source_count: how many sources were cited.
        is_truncated: whether anything was cut or left out.
        is_ended: whether nothing more can come.
    """

    total: int = _EMPTY_BYTES
    texts: dict[str, dict[str, int]] = field(default_factory=lambda: {"text": {}, "reasoning": {}})
    messages: set[str] = field(default_factory=set)
    calls: dict[str, bool] = field(default_factory=dict)
    steps: dict[str, bool] = field(default_factory=dict)
    data: dict[str, int] = field(default_factory=dict)
    source_count: int = 0
    is_truncated: bool = False
    is_ended: bool = False

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Sizes:
        """Measure the object of a run, with its transcript."""
        sizes, transcript = cls(), run["transcript"]
        for message in transcript["messages"]:
            sizes._begin(message["id"])
        for tool in transcript["tools"]:
            values = [tool[name] for name in ("arguments", "result", "error")]
            sizes.calls[tool["id"]] = tool["state"] != "running"
            sizes.total += _tool_bytes(tool["id"], tool["name"], tool["message"])
            sizes.total += sum(map(_value_bytes, values))
        for step in transcript["steps"]:
            sizes.steps[step["id"]] = step["state"] != "running"
            sizes.total += _step_bytes(step["id"], step["name"], step["parent"])
            sizes.total += _value_bytes(step["output"])
        for name, value in transcript["data"].items():
            sizes.data[name] = _data_bytes(name, value)
        for part in transcript["parts"]:
            if part["kind"] in sizes.texts:
                sizes._add_text(part["kind"], part["message"], part["text"])
            elif part["kind"] == "source":
                sizes.source_count += 1
                sizes.total += _source_bytes(part["message"], part["source"])
        sizes.total += sum(sizes.data.values())
        sizes.is_truncated = run["is_truncated"]
        sizes.is_ended = run["state"] in ENDS.values()
        return sizes

    def to_json(self) -> dict[str, Any]:
        """As values of JSON, to be kept beside a log."""
        return {**vars(self), "messages": sorted(self.messages)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sizes:
        """Read back what ``to_json`` gave."""
        return cls(**{**data, "messages": set(data["messages"])})

    def admit(self, event: RunEvent) -> list[RunEvent]:
        """Cut an event to what fits, and count it in.

        Returns:
            What is to get numbers now: nothing, if nothing of the event fits or it would change nothing; the
            event, or as much of it as fits; and before it ``run.truncated``, when something is cut for the
            first time.
        """
        if self.is_ended:
            return []
        if event.kind in _KIND_OF_TEXT:
            admitted, is_cut = self._admit_delta(event)
        else:
            admitted, is_cut = self._admit_whole(event)
        told = [] if admitted is None else [admitted]
        if not is_cut or self.is_truncated:
            return told
        self.is_truncated = True
        return [RunEvent("run.truncated", {}), *told]

    @property
    def _is_full(self) -> bool:
        return MAX_TOTAL_BYTES - self.total < _FULL_BYTES

    def _admit_delta(self, event: RunEvent) -> tuple[RunEvent | None, bool]:
        kind, message, delta = _KIND_OF_TEXT[event.kind], event.fields["message"], event.fields["delta"]
        if not delta:
            return None, False
        left = MAX_TEXT_BYTES - self.texts[kind].get(message, 0)
        if left < _WIDEST or self._is_full:
            return None, True
        self._begin(message)
        fitting = cut_json_text(cut_text(delta, left), MAX_TOTAL_BYTES - self.total - _KEPT_FREE_BYTES)
        self._add_text(kind, message, fitting)
        if len(fitting) == len(delta):
            return event, False
        return RunEvent(event.kind, {**event.fields, "delta": fitting}), True

    def _admit_whole(self, event: RunEvent) -> tuple[RunEvent | None, bool]:
        """Cut values, and take the event or leave it out: returns it, and whether it lost anything."""
        if not self._is_news(event):
            return None, False
        if self._is_one_too_many(event) or (self._is_full and event.kind not in _CLOSING):
            return None, True
        fitting, is_cut = _cut_values(event)
        if self.total + self._cost(fitting) > MAX_TOTAL_BYTES:
            fitting, is_cut = _without_values(event), True
            if self.total + self._cost(fitting) > MAX_TOTAL_BYTES:
                return None, True
        self.total += self._cost(fitting)
        self._count(fitting)
        return fitting, is_cut

    def _is_news(self, event: RunEvent) -> bool:
        """Whether the fold would do anything with it."""
        fields = event.fields
        match event.kind:
            case "run.message_started":
                return fields["message"] not in self.messages
            case "run.tool_called":
                return fields["call"] not in self.calls
            case "run.tool_returned":
                return self.calls.get(fields["call"]) is False
            case "run.step_started":
                return fields["step"] not in self.steps
            case "run.step_finished":
                return self.steps.get(fields["step"]) is False
        return True

    def _is_one_too_many(self, event: RunEvent) -> bool:
        match event.kind:
            case "run.tool_called":
                return len(self.calls) >= MAX_TOOLS
            case "run.step_started":
                return len(self.steps) >= MAX_STEPS
            case "run.citation":
                return self.source_count >= MAX_SOURCES
            case "run.data":
                return event.fields["name"] not in self.data and len(self.data) >= MAX_DATA_NAMES
        return False

    def _cost(self, event: RunEvent) -> int:
        """By how many bytes the transcript may grow."""
        fields = event.fields
        message = fields.get("message") if event.kind not in ENDS else None
        begun = _message_bytes(message) if message is not None and message not in self.messages else 0
        values = sum(_value_bytes(fields.get(name)) for name in _KEPT_VALUES if event.kind not in ENDS)
        match event.kind:
            case "run.tool_called":
                return begun + values + _tool_bytes(fields["call"], fields["name"], message)
            case "run.step_started":
                return _step_bytes(fields["step"], fields["name"], fields.get("parent"))
            case "run.citation":
                return begun + _source_bytes(message, fields["source"])
            case "run.data":
                return _data_bytes(fields["name"], fields["value"]) - self.data.get(fields["name"], 0)
        return begun + values

    def _count(self, event: RunEvent) -> None:
        fields = event.fields
        match event.kind:
            case "run.tool_called":
                self.calls[fields["call"]] = False
            case "run.tool_returned":
                self.calls[fields["call"]] = True
            case "run.step_started":
                self.steps[fields["step"]] = False
            case "run.step_finished":
                self.steps[fields["step"]] = True
            case "run.citation":
                self.source_count += 1
            case "run.data":
                self.data[fields["name"]] = _data_bytes(fields["name"], fields["value"])
        if event.kind in ENDS:
            self._end()
        elif fields.get("message") is not None:
            self.messages.add(fields["message"])

    def _end(self) -> None:
        """What is open is interrupted by the end."""
        self.is_ended = True
        self.calls, self.steps = dict.fromkeys(self.calls, True), dict.fromkeys(self.steps, True)

    def _begin(self, message: str) -> None:
        if message not in self.messages:
            self.messages.add(message)
            self.total += _message_bytes(message)

    def _add_text(self, kind: str, message: str, text: str) -> None:
        self.texts[kind][message] = self.texts[kind].get(message, 0) + _utf8_bytes(text)
        self.total += _json_bytes(text) - 2  # without the quotes


def cut_text(text: str, max_bytes: int) -> str:
    """The longest beginning of a text that has so many bytes of UTF-8 at most."""
    if len(text) * _WIDEST <= max_bytes:
        return text
    encoded = text.encode()
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode(errors="ignore")


def cut_json_text(text: str, max_bytes: int) -> str:
    """The longest beginning of a text whose JSON has so many bytes at most, without its quotes."""
    if len(text) * _WIDEST_IN_JSON <= max_bytes:
        return text
    encoded = orjson.dumps(text)[1:-1]
    for end in range(max_bytes, max_bytes - _WIDEST_IN_JSON, -1) if len(encoded) > max_bytes else ():
        try:
            return str(orjson.loads(b'"%b"' % encoded[: max(end, 0)]))
        except orjson.JSONDecodeError:  # in the middle of a character, or of what stands for one
            continue
    return text


def cut_value(value: Any) -> tuple[Any, bool]:
    """Cut a value to 32 KiB of JSON: a text to its beginning, anything else to the beginning of its JSON, as
    text; and whether that was necessary.
    """
    if isinstance(value, str):
        cut = cut_json_text(value, MAX_VALUE_BYTES - 2)
        return cut, len(cut) < len(value)
    if not isinstance(value, (dict, list)):
        return value, False
    encoded = orjson.dumps(value)
    if len(encoded) <= MAX_VALUE_BYTES:
        return value, False
    return cut_json_text(encoded.decode(), MAX_VALUE_BYTES - 2), True


def _cut_values(event: RunEvent) -> tuple[RunEvent, bool]:
    cut, is_cut = dict(event.fields), False
    for name, declared in KINDS[event.kind].fields.items():
        if name in cut and declared.form in (Form.VALUE, Form.ERROR):
            cut[name], is_shorter = cut_value(cut[name])
            is_cut = is_cut or is_shorter
    return (RunEvent(event.kind, cut), True) if is_cut else (event, False)


def _without_values(event: RunEvent) -> RunEvent:
    """That something began or ended, where there is no room for more; a call that failed stays one."""
    cut = {name: value for name, value in event.fields.items() if name not in _KEPT_VALUES}
    return RunEvent(event.kind, cut | {"error": ""} if "error" in event.fields else cut)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _json_bytes(value: Any) -> int:
    return len(orjson.dumps(value))


def _value_bytes(value: Any) -> int:
    """Of a value, beside the null that is counted where it would stand."""
    return max(0, _json_bytes(value) - _NULL_BYTES)


def _message_bytes(message: str) -> int:
    """Of a message in its list, and of its first text and reasoning among the parts."""
    return _MESSAGE_BYTES + 3 * _json_bytes(message)


def _tool_bytes(call: str, name: str, message: str | None) -> int:
    """Of a tool in its list and among the parts, and of the text and reasoning that begin anew after it."""
    return _TOOL_BYTES + 2 * _json_bytes(call) + _json_bytes(name) + 3 * _json_bytes(message)


def _step_bytes(step: str, name: str, parent: str | None) -> int:
    return _STEP_BYTES + 2 * _json_bytes(step) + _json_bytes(name) + _json_bytes(parent)


def _source_bytes(message: str | None, source: Mapping[str, str]) -> int:
    return _SOURCE_BYTES + _json_bytes(message) + _json_bytes(source)


def _data_bytes(name: str, value: Any) -> int:
    return _DATA_BYTES + 2 * _json_bytes(name) + _json_bytes(value)
