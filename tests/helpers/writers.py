"""Writers that do everything to everybody in a random order, in threads of a test or as processes of their
own.

    python -m tests.helpers.writers --seed 1 --rounds 40 --users 1 2 3 [--die-at commit]

With `--die-at` the process kills itself, as a crash would, at that place of its first send.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import django
from django.db import transaction

Dice = random.Random

# Where a process may be killed: what runs there instead is the end of it.
PLACES = {
    "commit": ("notifications.inbox_log.sequencer", "_sequence"),  # committed, and nothing sequenced yet
    "positions": (
        "notifications.inbox_log.append",
        "LogBatch.write",
    ),  # written, but the sequencer has not committed
    "announcement": ("notifications.signals", "inbox_changed.send_robust"),  # sequenced, and nobody told
}


class Withdrawn(Exception):
    """Raised to roll a transaction back."""


def some_of(users: Sequence[Any], dice: Dice, count: int = 3) -> list[Any]:
    """Some of the users in a random order."""
    return dice.sample(users, min(count, len(users)))


def some_ids(user: Any, dice: Dice) -> list[Any]:
    """A few of a user's ids, listed or not."""
    from notifications.models import Notification

    known = list(Notification.objects.filter(recipient_id=user).values_list("public_id", flat=True))
    return dice.sample(known, min(3, len(known)))


def send_one(users: Sequence[Any], dice: Dice) -> None:
    """To one user."""
    send_many([dice.choice(users)], title="one")


def send_crossed(users: Sequence[Any], dice: Dice) -> None:
    """To several, in another order than others do."""
    send_many(some_of(users, dice), title="crossed")


def send_crossed_in_one_transaction(users: Sequence[Any], dice: Dice) -> None:
    """To several, one after the other."""
    with transaction.atomic():
        for user in some_of(users, dice):
            send_many([user], title="crossed")


def send_collapsing(users: Sequence[Any], dice: Dice) -> None:
    """Replacing what was there."""
    send_many(some_of(users, dice), title="progress", collapse_key="import")


def send_and_roll_back(users: Sequence[Any], dice: Dice) -> None:
    """What nobody may ever see; inboxes are locked in the meantime."""
    from notifications import services

    with suppress(Withdrawn), transaction.atomic():
        send_many(users, title="never")
        services.mark_all_read(dice.choice(users))
        raise Withdrawn


def send_past_the_services(users: Sequence[Any], dice: Dice) -> None:
    """Rows that only a sweeper finds."""
    from notifications.models import Event, Notification

    event = Event.objects.create(type="orders.order.shipped", title="bulk")
    Notification.objects.bulk_create(
        [Notification(recipient_id=user, event=event) for user in some_of(users, dice)]
    )


def read_some(users: Sequence[Any], dice: Dice) -> None:
    """Mark a few read."""
    from notifications import services

    user = dice.choice(users)
    services.mark_read(user, some_ids(user, dice))


def unread_some(users: Sequence[Any], dice: Dice) -> None:
    """Mark a few unread."""
    from notifications import services

    user = dice.choice(users)
    services.mark_unread(user, some_ids(user, dice))


def read_all(users: Sequence[Any], dice: Dice) -> None:
    """Mark all read."""
    from notifications import services

    services.mark_all_read(dice.choice(users))


def delete_some(users: Sequence[Any], dice: Dice) -> None:
    """Delete a few."""
    from notifications import services

    user = dice.choice(users)
    services.delete(user, some_ids(user, dice))


def sweep(users: Sequence[Any], dice: Dice) -> None:
    """Run the sweeper."""
    from notifications import services

    services.sweep()


def send_many(users: Sequence[Any], **options: Any) -> None:
    """An order's event."""
    from notifications import services
    from notifications.event_types import UntypedEvent

    services.notify_many(
        users, UntypedEvent(type_name="orders.order.shipped", fields={"order_id": 7}), **options
    )


ACTIONS: tuple[Callable[[Sequence[Any], Dice], None], ...] = (
    send_one, send_crossed, send_crossed_in_one_transaction, send_collapsing, send_and_roll_back,
    send_past_the_services, read_some, unread_some, read_all, delete_some, sweep,
)  # fmt: skip


def work(users: Sequence[Any], seed: int, rounds: int) -> None:
    """Do the actions in a random order; whatever one of them raises ends it."""
    dice = random.Random(seed)
    for _ in range(rounds):
        dice.choice(ACTIONS)(users, dice)


def die_at(place: str) -> None:
    """From now on, whoever comes to this place is killed."""
    module_name, path = PLACES[place]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module_name)
    for attribute in owners:
        owner = getattr(owner, attribute)
    real = getattr(owner, name)

    def die(*args: Any, **kwargs: Any) -> None:
        if place == "positions":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--users", type=int, nargs="+", required=True)
    parser.add_argument("--die-at", choices=PLACES)
    options = parser.parse_args()
    django.setup()
    if options.die_at:
        die_at(options.die_at)
        send_many(options.users, title="last words", collapse_key="words")
    work(options.users, options.seed, options.rounds)


if __name__ == "__main__":
    main()
