"""The addresses of messages between processes: one user, by key, or every process. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

# A user's key addresses the processes where that user is connected; None addresses every serving process.
Address = str | None

EVERYBODY: Final = None
MAX_ADDRESSED_SINGLY: Final = 32  # for more users at once, messages go to every process, so that few suffice
MAX_KEYS_PER_MESSAGE: Final = 500  # users that one message names

_Item = TypeVar("_Item")
_Message = TypeVar("_Message")


def addressed_messages(
    items: list[_Item], key_of: Callable[[_Item], str], message_of: Callable[[Iterable[_Item]], _Message]
) -> Iterator[tuple[Address, _Message]]:
    """Yield addresses with messages: one message for each user, or for very many users few to every process.

    Args:
        items: what is to be sent, one item for each user.
        key_of: returns the user's key of an item.
        message_of: builds the message that carries some items.
    """
    if len(items) <= MAX_ADDRESSED_SINGLY:
        for item in items:
            yield key_of(item), message_of([item])
        return
    for start in range(0, len(items), MAX_KEYS_PER_MESSAGE):
        yield EVERYBODY, message_of(items[start : start + MAX_KEYS_PER_MESSAGE])


def user_key(user_id: Any) -> str:
    """Return a user's primary key as text, which every process spells alike."""
    return str(user_id)
