"""Whom a message between processes is for: one user, by a key that every process spells alike, or everybody.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

# Whom a message is for: the processes where one user, by key, is connected, or every serving process.
Address = str | None


EVERYBODY: Final = None  # what concerns very many users costs few messages


MAX_ADDRESSED_SINGLY: Final = 32  # users at once from which on messages go to every process


MAX_KEYS_PER_MESSAGE: Final = 500  # users that one message names


_Item = TypeVar("_Item")
_Message = TypeVar("_Message")


def addressed_messages(
    items: list[_Item], key_of: Callable[[_Item], str], message_of: Callable[[Iterable[_Item]], _Message]
) -> Iterator[tuple[Address, _Message]]:
    """Address and message for what concerns users: each user alone; for very many of them, every process
    instead.
    """
    if len(items) <= MAX_ADDRESSED_SINGLY:
        for item in items:
            yield key_of(item), message_of([item])
        return
    for start in range(0, len(items), MAX_KEYS_PER_MESSAGE):
        yield EVERYBODY, message_of(items[start : start + MAX_KEYS_PER_MESSAGE])


def user_key(user_id: Any) -> str:
    """A user's primary key as hints carry it."""
    return str(user_id)
