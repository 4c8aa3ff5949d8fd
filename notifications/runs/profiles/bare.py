"""The profile ``bare``: the hub's own events, named without ``run.`` and with nothing around their fields.

No name is ``open``, ``error`` or ``message``, which are EventSource's own; what the stream says of itself
keeps its names. The stream writes the frames, as it does its others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.runs.events import RunEvent


def named(event: RunEvent) -> tuple[str, Mapping[str, Any]]:
    """The ``event:`` and the data of an event."""
    return event.kind.removeprefix("run."), event.fields


def snapshot(run: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The ``event:`` and the data of a snapshot."""
    return "snapshot", run
