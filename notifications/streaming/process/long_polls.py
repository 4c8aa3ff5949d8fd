"""The long polls of one process: the fan-out treats each like a connection that waits for one change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from notifications.filters import Filters
from notifications.streaming.addressing import user_key
from notifications.streaming.connection.changes import SharedChange
from notifications.streaming.credential import Credential
from notifications.streaming.frames import CloseReason, ResetReason
from notifications.streaming.transient import TransientEvent

MAX_LONG_POLLS: Final = 1_000  # each takes a socket and about 10 KB; further ones are answered at once
MAX_LONG_POLLS_PER_USER: Final = 6


class LongPoll:
    """A request that waits for a change.

    Args:
        after: a position; changes up to there do not end the wait.
        filters: which changes end the wait.
        credential: the credential by which it was admitted.
    """

    def __init__(self, *, after: int, filters: Filters, credential: Credential) -> None:
        self.credential = credential
        self._after = after
        self._filters = filters
        self.is_over = asyncio.Event()

    def offer(self, change: SharedChange) -> None:
        """End the wait if a change that was just read from the log is later and passes the filters."""
        if change.position > self._after and change.admitted_by(self._filters):
            self.is_over.set()

    def offer_transient(self, event: TransientEvent) -> None:
        """Ignore a transient event: a poll answers with changes only."""

    def restart(self, reason: ResetReason, epoch: str, head: int) -> None:
        """End the wait because positions were reused; the answer says so."""
        self.is_over.set()

    def close(self, reason: CloseReason, *, must_reconnect: bool = False) -> None:
        """End the wait."""
        self.is_over.set()


class LongPolls:
    """The long polls of this process, and how many there may be.

    Attributes:
        polls: those whose user is known.
    """

    def __init__(self) -> None:
        self._count = 0
        self._users: Counter[str] = Counter()
        self.polls: set[LongPoll] = set()

    @contextmanager
    def admit(self) -> Iterator[bool]:
        """Count one more poll of this process until the end of the block; yield whether there is room."""
        self._count += 1
        try:
            yield self._count <= MAX_LONG_POLLS
        finally:
            self._count -= 1

    @contextmanager
    def admit_for(self, user_id: Any, poll: LongPoll) -> Iterator[bool]:
        """Register a user's poll until the end of the block; yield whether the user may have one more."""
        key = user_key(user_id)
        self._users[key] += 1
        self.polls.add(poll)
        try:
            yield self._users[key] <= MAX_LONG_POLLS_PER_USER
        finally:
            self.polls.discard(poll)
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]

    def end_all(self) -> None:
        """Answer every waiting poll now, because the process stops."""
        for poll in tuple(self.polls):
            poll.close("shutdown")
