"""``manage.py demo``: plays until stopped, to the demo users alone."""

from __future__ import annotations

import os
import random
import signal
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError

from notifications import services
from notifications.contrib.demo.player import MAX_UNREAD, Player
from notifications.event_types import UntypedEvent
from notifications.models import Change, Event, Notification
from tests.helpers.factories import make_user, send
from tests.helpers.oracle import assert_converges, listed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo_users(settings: Any) -> list[User]:
    settings.DEBUG = True
    call_command("create_demo_users", stdout=StringIO())
    return list(User.objects.order_by("pk"))


def play(*options: str) -> list[str]:
    out = StringIO()
    call_command("demo", "--rate=6000", *options, stdout=out)
    return out.getvalue().splitlines()


def test_demo__plays_all_kinds_to_all_users_and_says_so(demo_users: list[User]) -> None:
    with assert_converges(demo_users[0]), assert_converges(demo_users[1]):
        lines = play("--steps=150", "--seed=1")
    assert len(lines) == 152
    assert lines[0].startswith("Playing to admin, ada, grace")
    sent, read = Notification.objects.count(), Change.objects.filter(kind="read").count()
    assert lines[-1].startswith(f"Stopped: {sent} sent, {150 - sent} times read")
    assert read >= 150 - sent > 0
    types = set(Event.objects.values_list("type", flat=True))
    assert {name.split(".")[0] for name in types} == {"orders", "imports", "sync", "tokens"}
    assert set(Event.objects.values_list("source", flat=True)) == {"manage.py demo"}
    assert Notification.objects.filter(deliver_at__isnull=False, position=None).exists()
    assert {change.reason for change in Change.objects.filter(kind="deleted")} == {"replaced"}
    for user in demo_users:
        progress = [
            item["topic"]
            for item in listed(user.pk).items.values()
            if item["type"] == "imports.demo_file.progress"
        ]
        assert len(progress) == len(set(progress))


def test_demo__with_the_same_seed__sends_the_same(demo_users: list[User]) -> None:
    # Without the time of day. What is read depends on what is there; what is sent does not.
    first, second = ([line[8:] for line in play("--steps=20", "--seed=5")] for _ in range(2))
    assert [line for line in first if " read " not in line][:10] == [
        line for line in second if " read " not in line
    ][:10]


def test_demo__reads_nothing_but_its_own(demo_users: list[User]) -> None:
    _, ada, _ = demo_users
    mine = send(ada, event=UntypedEvent(type_name="tests.thing.happened", fields={}))
    play("--steps=80", "--seed=2")
    assert listed(ada.pk).items[str(mine)]["read_at"] is None


def test_player__keeps_the_unread_count_small(demo_users: list[User]) -> None:
    ada = demo_users[1]
    player = Player([ada], random.Random(3))
    counts = []
    for _ in range(100):
        for _ in range(3):
            player.step()
        counts.append(listed(ada.pk).unread_count)
    assert max(counts) < 4 * MAX_UNREAD
    assert counts.count(0) < 80


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo__ends_cleanly_at_a_signal(demo_users: list[User], number: signal.Signals) -> None:
    before = signal.getsignal(number)

    class Interrupting(StringIO):
        """Sends the signal once something was played."""

        def write(self, text: str) -> int:
            written = super().write(text)
            if self.getvalue().count("\n") == 3:
                os.kill(os.getpid(), number)
            return written

    out = Interrupting()
    call_command("demo", "--rate=6000", "--seed=4", stdout=out)
    assert out.getvalue().splitlines()[-1].startswith("Stopped: ")
    assert signal.getsignal(number) is before


def test_demo__goes_on_when_the_database_was_away_for_a_moment(
    demo_users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = services.notify, iter(range(1_000))

    def notify(*args: Any, **options: Any) -> Any:
        if next(calls) == 2:
            raise OperationalError("the connection was lost")
        return real(*args, **options)

    monkeypatch.setattr(services, "notify", notify)
    errors = StringIO()
    call_command("demo", "--rate=6000", "--steps=5", "--seed=6", stdout=StringIO(), stderr=errors)
    assert "the connection was lost" in errors.getvalue()
    assert Notification.objects.count() + Change.objects.filter(kind="read").count() == 5


def test_demo__without_its_users__says_how_to_make_them(settings: Any) -> None:
    settings.DEBUG = True
    make_user("ada")
    with pytest.raises(CommandError, match=r"no user named admin or grace.*create_demo_users"):
        play("--steps=1")


def test_demo__is_refused_when_debug_is_off(demo_users: list[User], settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        play("--steps=1")
    assert not Notification.objects.exists()


@pytest.mark.parametrize("option", ["--rate=0", "--rate=-1", "--rate=6001", "--rate=nan", "--steps=0"])
def test_demo__refuses_an_absurd_option(demo_users: list[User], option: str) -> None:
    with pytest.raises(CommandError, match="must be"):
        call_command("demo", option, stdout=StringIO())
