"""What waits to be told to the processes that stream: bounded, with the newest of each kind for each user.

Pure: no Django, no event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from notifications.streaming.groups import (
    ALL_INBOXES,
    MAX_KEYS,
    MAX_SINGLE,
    group_of,
    hint_message,
    look_message,
)

MAX_PENDING: Final = 100_000  # users of whom each kind may wait; what comes on top is dropped

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes out together.

    Attributes:
        heads: hints: the position that each user's inbox has reached.
        looks: the users whose streams are to be looked at; the values mean nothing.
    """

    heads: Mapping[str, int] = field(default_factory=dict)
    looks: Mapping[str, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.heads) + len(self.looks)

    def messages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Group and message of each: to every user's own group; for very many users, to every process instead."""
        yield from _addressed(list(self.heads.items()), lambda item: item[0], hint_message)
        yield from _addressed(list(self.looks), lambda key: key, look_message)


class Pending:
    """What waits for a publisher.

    Attributes:
        dropped_count: what was dropped because too much waited.
    """

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        self._looks: dict[str, None] = {}
        self.dropped_count = 0

    def __bool__(self) -> bool:
        return bool(self._heads or self._looks)

    def add(self, batch: Batch) -> None:
        """Add to what waits; what concerns further users is dropped once it is full."""
        for key, head in batch.heads.items():
            if key in self._heads:
                self._heads[key] = max(head, self._heads[key])
            else:
                self._add(self._heads, key, head)
        for key in batch.looks:
            self._add(self._looks, key, None)

    def take(self) -> Batch:
        """All of it; nothing waits after it."""
        taken = Batch(heads=self._heads, looks=self._looks)
        self._heads, self._looks = {}, {}
        return taken

    def _add(self, waiting: dict[str, _V], key: str, value: _V) -> None:
        if key in waiting or len(waiting) < MAX_PENDING:
            waiting[key] = value
        else:
            self.dropped_count += 1


def _addressed(
    items: list[_V], key_of: Callable[[_V], str], message_of: Callable[[Iterable[_V]], dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    if len(items) <= MAX_SINGLE:
        for item in items:
            yield group_of(key_of(item)), message_of([item])
        return
    for start in range(0, len(items), MAX_KEYS):
        yield ALL_INBOXES, message_of(items[start : start + MAX_KEYS])
