"""The messages between processes: hints, looks and shows, and the groups that they are sent to. Pure.

A *hint* says which inboxes have reached which positions. A *look* says that something other than the log has
changed for some users, so that the credentials and records of their streams are to be checked. A *show* names
notifications that are to be shown again. Any of them may be lost. They hold only numbers and keys, so a wrong
one costs a query and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from notifications.streaming.addressing import Address

GROUP_PREFIX: Final = "notifications."
EVERYBODY_SUFFIX: Final = ".all"
_HINT: Final = "notifications.hint"
_LOOK: Final = "notifications.look"
_SHOW: Final = "notifications.show"
_KEY_LENGTH: Final = 48  # together with what precedes it, a name that every layer admits
_SAFE: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_KEY_LENGTH - 1}}}", re.ASCII)


def group_of(address: Address, *, installation: str) -> str:
    """Return the channel-layer group of an address.

    A key that not every layer admits in a name is replaced by its digest.

    Args:
        address: a user's key, or ``EVERYBODY``.
        installation: the name of the installation. It keeps the messages of other installations out of the
            group, whatever the layer's own prefix is.
    """
    if address is None:
        return f"{GROUP_PREFIX}{installation}{EVERYBODY_SUFFIX}"
    if not _SAFE.fullmatch(address):
        # A digest is longer than any key that is used as it is, so the two never collide.
        address = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_LENGTH]
    return f"{GROUP_PREFIX}{installation}.inbox.{address}"


def hint_message(heads: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """Return the message that says which inboxes have reached which positions."""
    return {"type": _HINT, "heads": [[key, head] for key, head in heads]}


def read_hint(message: Any) -> Iterator[tuple[str, int]]:
    """Yield the key and head of each inbox in a message; anything that is not a hint is ignored."""
    is_hint = isinstance(message, Mapping) and message.get("type") == _HINT
    heads = message.get("heads") if is_hint else None
    for item in heads if isinstance(heads, (list, tuple)) else ():
        match item:
            case [str() as key, int() as head] if not isinstance(head, bool):
                yield key, head


def look_message(keys: Iterable[str]) -> dict[str, Any]:
    """Return the message that says whose streams are to be examined."""
    return {"type": _LOOK, "keys": list(keys)}


def read_look(message: Any) -> Iterator[str]:
    """Yield the key of each user in a message; anything that is not a look is ignored."""
    is_look = isinstance(message, Mapping) and message.get("type") == _LOOK
    keys = message.get("keys") if is_look else None
    for key in keys if isinstance(keys, (list, tuple)) else ():
        if isinstance(key, str):
            yield key


def show_message(shows: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """Return the message that says which notifications are to be shown again, each with its recipient."""
    return {"type": _SHOW, "shows": [[key, notification_id] for key, notification_id in shows]}


def read_show(message: Any) -> Iterator[tuple[str, int]]:
    """Yield the recipient and notification of each show in a message; anything else is ignored."""
    is_show = isinstance(message, Mapping) and message.get("type") == _SHOW
    shows = message.get("shows") if is_show else None
    for item in shows if isinstance(shows, (list, tuple)) else ():
        match item:
            case [str() as key, int() as notification_id] if not isinstance(notification_id, bool):
                yield key, notification_id
