"""Plays scenarios to users, several at a time, and marks some of their notifications read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final, NamedTuple

from django.utils import timezone

from notifications import selectors, services
from notifications.contrib.demo.scenarios import SCENARIOS, Step
from notifications.filters import Filters

SOURCE: Final = "manage.py demo"
MAX_PLAYING: Final = 4
# Without a limit, the unread count of a user would soon be too high to look real.
MAX_UNREAD: Final = 15
READ_CHANCE: Final = 0.12
CATEGORIES: Final = frozenset({"orders", "imports", "sync", "tokens"})


class Played(NamedTuple):
    """The outcome of one step."""

    username: str
    what: str
    title: str
    was_sent: bool


class Player:
    """Plays up to ``MAX_PLAYING`` scenarios at once, each to one user."""

    def __init__(self, users: Sequence[Any], random: Random) -> None:
        """Start without any scenario.

        Args:
            users: at least one saved user.
            random: makes all choices; the same seed sends the same.
        """
        self._users = users
        self._random = random
        # Reading has its own random numbers, because it depends on what is there, and must not change what is
        # sent.
        self._reading = Random(random.getrandbits(32))  # noqa: S311 (no secret)
        self._playing: list[tuple[Any, Iterator[Step]]] = []

    def step(self) -> Played:
        """Send one notification, or read what is unread; only what the demo itself has sent is ever read.

        Transaction: that of the service.
        """
        if self._reading.random() < READ_CHANCE and (played := self._read()):
            return played
        while len(self._playing) < MAX_PLAYING:
            self._playing.append(
                (self._random.choice(self._users), self._random.choice(SCENARIOS)(self._random))
            )
        user, scenario = story = self._random.choice(self._playing)
        if (step := next(scenario, None)) is not None:
            return self._send(user, step, timezone.now())
        self._playing.remove(story)
        return self.step()

    def _send(self, user: Any, step: Step, now: datetime) -> Played:
        services.notify(
            user,
            step.event,
            title=step.title,
            body=step.body,
            url=step.url,
            topic=step.topic,
            level=step.level,
            actor=step.actor,
            collapse_key=step.collapse_key,
            deliver_at=now + step.deliver_in if step.deliver_in else None,
            expires_at=now + step.expires_in if step.expires_in else None,
            source=SOURCE,
        )
        title = f"{step.title} (scheduled)" if step.deliver_in else step.title
        return Played(user.get_username(), step.event.type_name, title, was_sent=True)

    def _read(self) -> Played | None:
        user = self._reading.choice(self._users)
        services.open_inbox(user.pk)
        page = selectors.list_page(
            user.pk, filters=Filters(categories=CATEGORIES), unread_only=True, limit=MAX_UNREAD + 1
        )
        if not page.rows:
            return None
        rows = page.rows if len(page.rows) > MAX_UNREAD else [self._reading.choice(page.rows)]
        services.mark_read(user, [row.public_id for row in rows], provenance=services.Provenance(by=SOURCE))
        title = rows[0].title if len(rows) == 1 else f"{len(rows)} at once"
        return Played(user.get_username(), "read", title, was_sent=False)
