"""Real processes that write to the same inboxes at once, and some that are killed while they do (I1, I2)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import services
from notifications.models import Change, Event, Notification
from tests.helpers import auditor
from tests.helpers.factories import make_user, send
from tests.helpers.machine.guarded import GuardedProcess
from tests.helpers.oracle import Client, assert_converged, assert_converges, changes_since
from tests.helpers.processes import ROOT, hub_environment
from tests.helpers.waiting import LONG_SECONDS, wait_until
from tests.helpers.writers import PLACES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system]


Start = Callable[..., GuardedProcess]


@pytest.fixture
def users() -> list[User]:
    return [make_user() for _ in range(4)]


@pytest.fixture
def start_writer(users: list[User], tmp_path: Path) -> Iterator[Start]:
    """Starts a process that writes to the users: `start_writer(seed=1, rounds=50)`."""
    numbers = count(1)
    with ExitStack() as running:

        def start(*arguments: str, **options: Any) -> GuardedProcess:
            given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
            command = [sys.executable, "-m", "tests.helpers.writers", *given, *arguments]
            log = tmp_path / f"writer-{next(numbers)}.log"
            environment = hub_environment()
            return running.enter_context(
                GuardedProcess(
                    [*command, "--users", *(str(user.pk) for user in users)],
                    log=log,
                    env=environment,
                    cwd=ROOT,
                )
            )

        yield start


def audit_while(writers: list[GuardedProcess]) -> None:
    """Audit without a pause until all have ended."""

    def is_over() -> bool:
        assert auditor.problems() == []
        return not any(writer.is_running() for writer in writers)

    wait_until(is_over, timeout=LONG_SECONDS, what="the end of the writers")


def assert_all_right(users: list[User]) -> None:
    services.sweep()
    assert not Notification.objects.filter(position=None).exists()
    assert not Event.objects.filter(title="never").exists()
    assert auditor.problems() == auditor.history_problems() == []
    for user in users:
        assert_converged(Client(), user.pk)


def test_processes__writing_everything_at_once__leave_no_gap_and_deadlock_never(
    users: list[User], start_writer: Start
) -> None:
    writers = [start_writer(seed=seed, rounds=60) for seed in range(3)]
    audit_while(writers)
    for writer in writers:
        assert writer.wait(1) == 0, writer.output()
        assert writer.output() == ""
    assert Change.objects.count() > 100
    assert_all_right(users)


def test_processes__killed_while_they_write__lose_nothing_that_was_committed(
    users: list[User], start_writer: Start
) -> None:
    writers = [start_writer(seed=seed, rounds=1_000_000) for seed in range(3)]
    for number, writer in enumerate(writers, start=1):
        wait_until(lambda number=number: Change.objects.count() > 40 * number, timeout=LONG_SECONDS)  # type: ignore[misc]
        assert writer.kill() == -signal.SIGKILL, writer.output()
        assert auditor.problems() == []
    assert_all_right(users)


@pytest.mark.parametrize("place", PLACES)
def test_process__killed_between_commit_and_announcement__is_made_good_by_another_ones_sweeper(
    users: list[User], start_writer: Start, place: str
) -> None:
    send(users[0], "progress", collapse_key="words")
    with assert_converges(*users):
        writer = start_writer("--die-at", place)
        assert writer.wait(LONG_SECONDS) == -signal.SIGKILL, writer.output()
        assert Notification.objects.filter(event__title="last words").count() == len(users)
        assert auditor.problems() == []
        sequenced = services.sweep().sequenced
    assert sequenced == (0 if place == "announcement" else len(users))
    for user in users:
        [change] = [change for change in changes_since(user.pk, 0) if "last words" in str(change)]
        assert change["change"] == "notification.created"
    assert_all_right(users)
