"""The master test (I12): whatever is done to whom in which order, a client that folds the changes holds the
fresh list.

Hypothesis makes up sequences of services over several users, in transactions that commit or are rolled back,
with collapse keys, schedules, expiries, a clock that jumps, sweeps, and rows written past the services. Each
sequence is also given to a reference that knows no database (tests/services/reference.py): the logs must be
the same, entry by entry.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import services
from notifications.event_types import UntypedEvent
from notifications.models import Event, Notification
from notifications.notification_states import VERBS
from tests.helpers import auditor
from tests.helpers.factories import make_user
from tests.helpers.oracle import Client, assert_converged, changes_since, listed
from tests.services.reference import Box, Item, World

pytestmark = pytest.mark.django_db(transaction=True)

# The names in the package are the functions'.
sequencer = importlib.import_module("notifications.inbox_log.sequencer")
due = importlib.import_module("notifications.inbox_log.due")

USERS = 2
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
TYPES = ("orders.order.shipped", "orders.order.shipped", "sync.job.failed")

_users = st.integers(0, USERS - 1)
_picks = st.lists(st.integers(0, 15), max_size=4)
_seconds = st.none() | st.sampled_from([-5, 0, 10, 60])


@dataclass(frozen=True)
class Send:
    """To several users at once; past the services, as `bulk_create` does, or through `notify_many`."""

    users: list[int]
    type: str
    topic: str
    collapse_key: str
    delay: int | None
    life: int | None
    past_the_services: bool
    is_read: bool


@dataclass(frozen=True)
class Act:
    """A user's action on some of all ids that there ever were, foreign and deleted ones among them."""

    action: str
    user: int
    picks: list[int]


@dataclass(frozen=True)
class ReadAll:
    """Mark all read."""

    user: int
    up_to: int | None
    category: str


@dataclass(frozen=True)
class Block:
    """Several steps in one transaction, or in a savepoint of one."""

    steps: list[Any]
    commits: bool


@dataclass(frozen=True)
class Sweep:
    """A run of the sweeper."""


@dataclass(frozen=True)
class Wait:
    """The clock jumps, also backwards."""

    seconds: int


@dataclass(frozen=True)
class Look:
    """A client fetches a list, to be brought up to date at the end."""

    user: int


_inner = st.one_of(
    st.builds(
        Send,
        users=st.lists(_users, min_size=1, max_size=USERS, unique=True),
        type=st.sampled_from(TYPES),
        topic=st.sampled_from(["", "", "order:7"]),
        collapse_key=st.sampled_from(["", "k", "k", "l"]),
        delay=_seconds,
        life=st.none() | st.sampled_from([1, 30]),
        past_the_services=st.booleans(),
        is_read=st.booleans(),
    ),
    st.builds(Act, st.sampled_from([*VERBS, "delete"]), _users, _picks),
    st.builds(
        ReadAll, _users, st.none() | st.integers(0, 20), st.sampled_from(["", "orders", "sync", "other"])
    ),
)
_block = st.builds(Block, st.lists(_inner, max_size=4), st.booleans())
_transaction = st.builds(Block, st.lists(_inner | _block, max_size=5), st.booleans())
_outer = st.one_of(
    _inner,
    _inner,
    _transaction,
    st.builds(Sweep),
    st.builds(Wait, st.integers(-30, 90)),
    st.builds(Look, _users),
)
_steps = st.lists(_outer, min_size=5, max_size=20)


class RolledBack(Exception):
    """Ends a block that does not commit."""


@dataclass
class Run:
    """Does each step twice: with the services, and in the reference."""

    users: list[User]
    clock: Any
    world: World = field(default_factory=lambda: World([Box() for _ in range(USERS)]))
    known: list[UUID] = field(default_factory=list)
    clients: list[tuple[int, Client]] = field(default_factory=list)

    def do(self, step: Any) -> None:
        """A step outside of any transaction."""
        match step:
            case Sweep():
                services.sweep()
                self.world.sweep(timezone.now())
            case Wait(seconds):
                self.clock.shift(timedelta(seconds=seconds))
            case Look(user):
                self.clients.append((user, listed(self.users[user].pk)))
            case _:
                self.do_inside(step)
                self.world.commit(timezone.now())

    def do_inside(self, step: Any) -> None:
        """A step that may stand in a transaction."""
        match step:
            case Block():
                self.block(step)
            case Send():
                self.send(step)
            case Act(action, user, picks):
                self.act(action, user, [self.known[pick] for pick in picks if pick < len(self.known)])
            case ReadAll(user, up_to, category):
                services.mark_all_read(self.users[user], up_to=up_to, category=category)
                self.world.boxes[user].read_all(up_to, category)

    def block(self, block: Block) -> None:
        before = self.world.savepoint()
        try:
            with transaction.atomic():
                for step in block.steps:
                    self.do_inside(step)
                if not block.commits:
                    raise RolledBack
        except RolledBack:
            self.world.roll_back(before)

    def send(self, step: Send) -> None:
        now = timezone.now()
        deliver_at = None if step.delay is None else now + timedelta(seconds=step.delay)
        expires_at = None if step.life is None else (deliver_at or now) + timedelta(seconds=step.life)
        times: dict[str, Any] = {"deliver_at": deliver_at, "expires_at": expires_at}
        ids = (self.send_past_the_services if step.past_the_services else self.send_by_services)(
            step, **times
        )
        self.known += ids
        items = [
            Item(
                public_id=public_id,
                type=step.type,
                topic=step.topic,
                collapse_key=step.collapse_key,
                is_read=step.is_read and step.past_the_services,
                **times,
            )
            for public_id in ids
        ]
        is_due = deliver_at is None or deliver_at <= now
        self.world.stage(step.users, items, is_noted=is_due and not step.past_the_services)

    def send_by_services(self, step: Send, **times: Any) -> list[UUID]:
        event = UntypedEvent(type_name=step.type, fields={"number": len(self.known)})
        users = [self.users[user] for user in step.users]
        return services.notify_many(
            users, event, title="t", topic=step.topic, collapse_key=step.collapse_key, **times
        )

    def send_past_the_services(self, step: Send, *, deliver_at: Any, expires_at: Any) -> list[UUID]:
        event = Event.objects.create(type=step.type, topic=step.topic, title="t", expires_at=expires_at)
        rows = [
            Notification(
                recipient=self.users[user],
                event=event,
                collapse_key=step.collapse_key,
                deliver_at=deliver_at,
                read_at=START if step.is_read else None,
            )
            for user in step.users
        ]
        return [row.public_id for row in Notification.objects.bulk_create(rows)]

    def act(self, action: str, user: int, ids: list[UUID]) -> None:
        box = self.world.boxes[user]
        if action == "delete":
            services.delete(self.users[user], ids)
            for public_id in [public_id for public_id in box.listed if public_id in ids]:
                box.delete(public_id, "user")
        else:
            services.ACTIONS[action](self.users[user], ids)
            if action in ("read", "unread"):
                box.set_read(ids, is_read=action == "read")
            else:
                box.set_archived(ids, is_archived=action == "archive")

    def assert_converged(self) -> None:
        """Every list ever fetched becomes the fresh one, and every log is the reference's."""
        assert auditor.problems() == auditor.history_problems() == []
        for number, client in (*self.clients, *((number, Client()) for number in range(USERS))):
            assert_converged(client, self.users[number].pk)
        for user, box in zip(self.users, self.world.boxes, strict=True):
            assert [entry(change) for change in changes_since(user.pk, 0)] == box.log
            items = listed(user.pk).items.values()
            assert [
                (item["id"], item["read_at"] is not None, item["archived_at"] is not None) for item in items
            ] == [
                (str(item.public_id), item.is_read, item.is_archived)
                for item in reversed(box.listed.values())
            ]


def entry(change: dict[str, Any]) -> tuple[Any, ...]:
    """A change as the reference notes it."""
    if change["change"] == "inbox.read":
        subject: Any = (change["up_to"], change["category"])
    else:
        subject = UUID(change["notification"]["id"])
    return (change["change"], change["unread_count"], subject, change.get("reason"))


@pytest.mark.parametrize(
    ("max_rows", "max_inboxes"), [(2_000, 500), (2, 1)], ids=["whole", "in-small-pieces"]
)
@settings(
    max_examples=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_steps)
def test_services__any_sequence__client_holds_the_fresh_list_and_the_log_is_the_references(
    steps: list[Any], max_rows: int, max_inboxes: int
) -> None:
    users = [make_user() for _ in range(USERS)]
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(START, tick=False) as clock:
        patch.setattr(sequencer, "MAX_ROWS", max_rows)
        patch.setattr(due, "MAX_EXPIRED", max_rows)
        with override_settings(NOTIFICATION_HUB={"max_sequence_chunk": max_inboxes}):
            run = Run(users, clock)
            for step in (*steps, Sweep()):
                run.do(step)
            run.assert_converged()
        for user in users:
            user.delete()
