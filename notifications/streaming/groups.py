"""The hint on the wire between processes: numbers and keys only, so that a forged one can cost a query and nothing else.

Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

# Every serving process is a member: one hint for very many inboxes costs one message.
ALL_INBOXES: Final = "notifications.inboxes"
MESSAGE_TYPE: Final = "notifications.hint"
_SAFE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def group_of(key: str) -> str:
    """The channel-layer group of one user's inbox; a key that no layer admits in a name goes by its digest."""
    safe = key if _SAFE.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"notifications.inbox.{safe}"


def hint_message(heads: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """The message that says which inboxes have reached which positions."""
    return {"type": MESSAGE_TYPE, "heads": [[key, head] for key, head in heads]}


def read_hint(message: Any) -> Iterator[tuple[str, int]]:
    """Key and head of each inbox in a message; whatever is not a hint is passed over."""
    heads = message.get("heads") if isinstance(message, Mapping) else None
    for item in heads if isinstance(heads, (list, tuple)) else ():
        match item:
            case [str() as key, int() as head] if not isinstance(head, bool):
                yield key, head
