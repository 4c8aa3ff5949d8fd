"""Processes of this machine, asked of the real `/proc`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from notifications.system import processes
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.shape("embedded")


@pytest.fixture
def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-E", "-c", "import signal; signal.pause()"])


def test_identity__of_a_process__is_its_own_and_ends_with_it(child: subprocess.Popen[bytes]) -> None:
    identity = processes.identity_of(child.pid)
    assert identity
    assert len(identity) <= 100
    assert identity != processes.identity_of(os.getpid())
    assert not processes.is_dead(identity)
    child.kill()
    # From its death on, although nobody has waited for it yet: its id is still taken.
    wait_until(lambda: processes.is_dead(identity))
    assert processes.identity_of(child.pid) == ""
    child.wait()
    assert processes.is_dead(identity)


def test_is_dead__another_process_of_the_same_id__the_former_is() -> None:
    mine = processes.identity_of(os.getpid())
    former = mine.rpartition(":")[0] + ":1"
    assert not processes.is_dead(mine)
    assert processes.is_dead(former)


@pytest.mark.parametrize("identity", ["", "another-boot/1:1:1", "nonsense"])
def test_is_dead__what_cannot_be_known_here__is_not(identity: str) -> None:
    assert not processes.is_dead(identity)


def test_cpu_seconds__grow_with_work_and_not_without(child: subprocess.Popen[bytes]) -> None:
    before = processes.cpu_seconds(os.getpid())
    assert before is not None
    begun = time.process_time()
    while time.process_time() - begun < 0.1:
        pass
    after = processes.cpu_seconds(os.getpid())
    assert after is not None
    assert after > before
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert processes.cpu_seconds(child.pid) is None
