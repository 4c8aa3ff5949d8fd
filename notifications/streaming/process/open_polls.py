"""The long polls of one process: each is to the fan-out what a connection is, and waits for one change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from notifications.filters import Filters
from notifications.streaming.addressing import user_key
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.connection.credential import Credential
from notifications.streaming.frames import CloseReason, ResetReason
from notifications.streaming.transient import TransientEvent

MAX_POLLS: Final = 1_000  # each is a socket and some 10 KB; further ones are answered at once
MAX_POLLS_PER_USER: Final = 6


class Poll:
    """A request that waits.

    Args:
        after: a position; what was up to there is no news.
        filters: which changes are news.
        credential: by what right it waits.
    """

    def __init__(self, *, after: int, filters: Filters, credential: Credential) -> None:
        self.credential = credential
        self._after = after
        self._filters = filters
        self.is_over = asyncio.Event()

    def offer(self, change: SharedChange) -> None:
        """A change that was just read from the log."""
        if change.position > self._after and change.admitted_by(self._filters):
            self.is_over.set()

    def offer_transient(self, event: TransientEvent) -> None:
        """A poll shows none."""

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """Positions were reused: the answer says so."""
        self.is_over.set()

    def close(self, reason: CloseReason, *, may_return: bool = False) -> None:
        """Wait no longer."""
        self.is_over.set()


class Polls:
    """Which polls wait, and how many may.

    Attributes:
        waiting: those of known users.
    """

    def __init__(self) -> None:
        self._count = 0
        self._users: Counter[str] = Counter()
        self.waiting: set[Poll] = set()

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is room for one more in this process; it is taken until the end of the block."""
        self._count += 1
        try:
            yield self._count <= MAX_POLLS
        finally:
            self._count -= 1

    @contextmanager
    def place_of(self, user_id: Any, poll: Poll) -> Iterator[bool]:
        """Whether this user may have one more; it is known here until the end of the block."""
        key = user_key(user_id)
        self._users[key] += 1
        self.waiting.add(poll)
        try:
            yield self._users[key] <= MAX_POLLS_PER_USER
        finally:
            self.waiting.discard(poll)
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]

    def end_all(self) -> None:
        """The process stops: whoever waits is answered now."""
        for poll in tuple(self.waiting):
            poll.close("shutdown")
