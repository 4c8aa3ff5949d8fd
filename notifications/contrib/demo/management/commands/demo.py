"""``manage.py demo``: sends lifelike notifications to the demo users until stopped."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError, connection
from django.utils import timezone

from notifications.contrib.demo.player import Played, Player
from notifications.contrib.demo.users import DEMO_USERS
from notifications.management.base import HubCommand

MAX_RATE: Final = 6_000


class Command(HubCommand):
    """Plays scenarios to the demo users."""

    help = (
        "Send a lifelike series of orders, imports, sync jobs and expiring tokens to the demo users until "
        "Ctrl+C. They appear at once in the running hub for a demo user who is logged in. Needs the demo "
        "users and DEBUG."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for the rate, the number of steps, and the seed."""
        parser.add_argument(
            "--rate",
            type=float,
            default=30,
            metavar="N",
            help="steps a minute on average (default: %(default)s)",
        )
        parser.add_argument(
            "--steps", type=int, metavar="N", help="stop after this many steps (default: run until stopped)"
        )
        parser.add_argument(
            "--seed", type=int, metavar="N", help="send the same notifications as other runs with this number"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Play until a signal or ``--steps`` ends it.

        Raises:
            CommandError: DEBUG is off, a demo user is missing, or an option is absurd.
        """
        if not settings.DEBUG:
            raise CommandError("The demo is for development; it plays only when DEBUG is on.")
        if not 0 < options["rate"] <= MAX_RATE:
            raise CommandError(f"--rate must be above 0 and at most {MAX_RATE}.")
        if options["steps"] is not None and options["steps"] < 1:
            raise CommandError("--steps must be at least 1.")
        player = Player(_demo_users(), random.Random(options["seed"]))  # noqa: S311 (no secret)
        names = ", ".join(user.name for user in DEMO_USERS)
        with _stop_signal() as stop:
            self._write(f"Playing to {names}; Ctrl+C stops it.")
            self._play(player, stop, rate=options["rate"], steps=options["steps"])

    def _play(self, player: Player, stop: Event, *, rate: float, steps: int | None) -> None:
        sent = read = 0
        while not stop.is_set():
            try:
                played = player.step()
            except OperationalError as error:
                # The database is locked or being restarted; go on when it is back.
                self.stderr.write(f"The database refused a notification: {str(error).strip()}")
                connection.close_if_unusable_or_obsolete()
            else:
                self._write(_line(played))
                sent, read = sent + played.was_sent, read + (not played.was_sent)
                if sent + read == steps:
                    break
            stop.wait(60 / rate * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)
        self._write(f"Stopped: {sent} sent, {read} times read.")

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # so that a line is seen at once, also through a pipe


def _demo_users() -> list[Any]:
    user_model = get_user_model()
    names = [user.name for user in DEMO_USERS]
    found = {
        user.get_username(): user
        for user in user_model._default_manager.filter(**{f"{user_model.USERNAME_FIELD}__in": names})
    }
    if missing := [name for name in names if name not in found]:
        raise CommandError(
            f"There is no user named {' or '.join(missing)}. Create them: manage.py create_demo_users"
        )
    return [found[name] for name in names]


def _line(played: Played) -> str:
    return f"{timezone.localtime():%H:%M:%S}  {played.username:<6} {played.what:<24} {played.title}"


@contextmanager
def _stop_signal() -> Iterator[Event]:
    """Yield an event that SIGINT and SIGTERM set; the former handlers are restored afterwards."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
