"""The frames of the foreign profiles, whose clients end at any ``data:`` that is not their own JSON.

So there is no ``event:``, and what only shows that a stream is alive is a comment. Of the frames of one event
only the last has an ``id:``: a client that was cut off in between is told the whole event again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from notifications.runs.events import encode

OPEN: Final = b": open\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"
# The one piece of data that is no JSON: the AI SDK's end of a stream.
DONE: Final = "[DONE]"
# Said where a stream has to end before its run; the client comes back.
STREAM_ENDED: Final = "stream_ended"
INTERRUPTED: Final = "interrupted"

Chunk = Mapping[str, Any] | str


def frames(chunks: Iterable[Chunk], *, cursor: str = "") -> bytes:
    """Write what one event, or one snapshot, tells.

    Args:
        chunks: JSON objects in their order, or ``DONE``.
        cursor: the cursor after it; empty for what moves none.
    """
    lines = [chunk if isinstance(chunk, str) else encode(chunk) for chunk in chunks]
    if not lines:
        return b""
    tail = f"\nid: {cursor}\n\n" if cursor else "\n\n"
    return ("data: " + "\n\ndata: ".join(lines) + tail).encode("ascii")


def without_nulls(**fields: Any) -> dict[str, Any]:
    """An object without the fields that are null: their clients refuse a null where nothing should be."""
    return {name: value for name, value in fields.items() if value is not None}
