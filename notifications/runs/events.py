"""Events of a run as values, and as the one line of JSON that is kept in its log and sent to its watchers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

# Made once: ``json.dumps`` would build an encoder for each event.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
# What every event has beside the fields of its kind.
ENVELOPE: Final = frozenset({"event", "run", "number", "at"})


class RunEvent(NamedTuple):
    """An event before it has its number.

    Attributes:
        kind: a key of ``KINDS``.
        fields: what it holds; checked, so never changed.
    """

    kind: str
    fields: Mapping[str, Any]


class LoggedEvent(NamedTuple):
    """An event with its number.

    Attributes:
        run: the run's id.
        number: its place in the run: 1, 2, 3 … without gaps.
        at: when it got its number, as the wire has it.
        event: what happened.
    """

    run: str
    number: int
    at: str
    event: RunEvent

    def to_json(self) -> str:
        """One line of ASCII JSON: the data of the event's frame, and its entry in a poll."""
        about = {"event": self.event.kind, "run": self.run, "number": self.number, "at": self.at}
        rest = {name: value for name, value in self.event.fields.items() if name not in ENVELOPE}
        return encode(about | rest)

    @classmethod
    def from_json(cls, text: str | bytes) -> LoggedEvent:
        """Read back what ``to_json`` wrote."""
        data = json.loads(text)
        fields = {name: value for name, value in data.items() if name not in ENVELOPE}
        return cls(data["run"], data["number"], data["at"], RunEvent(data["event"], fields))


def encode(value: Any) -> str:
    """Write a checked value as one line of ASCII JSON, in the order that its keys have."""
    return _ENCODER.encode(value)
