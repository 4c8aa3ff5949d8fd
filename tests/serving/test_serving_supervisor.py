"""The supervisor alone, with workers of three lines that start in no time."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from notifications.serving import supervisor as module
from notifications.serving.supervisor import Supervisor
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until_async

pytestmark = pytest.mark.shape("embedded")

# The arguments are the folder, then what the supervisor appends: number, socket, lifeline.
WORKER = """
import os, pathlib, signal, socket, sys, threading, time
folder, number, listening, lifeline = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
if (folder / "broken").exists():
    sys.exit(3)
if (folder / "idle").exists():
    (folder / "idle").unlink()
    signal.pause()
while (folder / "slow").exists():
    sum(range(100_000))
assert socket.socket(fileno=listening).getsockname()
signal.signal(signal.SIGTERM, signal.SIG_IGN if (folder / "stubborn").exists() else lambda *_: sys.exit(0))
lifeline = socket.socket(fileno=lifeline)
lifeline.sendall(b"r")
def live():
    while not (folder / f"hanging{os.getpid()}").exists():
        lifeline.send(b".", socket.MSG_DONTWAIT)
        time.sleep(0.05)
threading.Thread(target=live, daemon=True).start()
lifeline.recv(1)
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        yield made


@pytest.fixture
def supervise(
    listening: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Supervisor]:
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.01)
    command = [sys.executable, "-S", "-E", "-c", WORKER, str(tmp_path)]

    def make(
        *, on_serving: Callable[[], None] = lambda: None, lost_seconds: float = PATIENCE_SECONDS
    ) -> Supervisor:
        return Supervisor(
            command, listening, 2, stop_seconds=1, lost_seconds=lost_seconds, on_serving=on_serving
        )

    return make


@asynccontextmanager
async def running(
    supervise: Callable[..., Supervisor], **options: float
) -> AsyncIterator[asyncio.Task[bool]]:
    """A supervisor whose two workers serve; stopped by SIGTERM after the block, if it has not ended."""
    serving = asyncio.Event()
    task = asyncio.ensure_future(supervise(on_serving=serving.set, **options).run())
    async with asyncio.timeout(LONG_SECONDS):
        await serving.wait()
    yield task
    if not task.done():
        os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task


def serving_pids(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [int(pid) for pid in re.findall(r"\(process (\d+)\) serves", caplog.text)]


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


async def test_supervise__workers_that_never_start__gives_up_and_says_so(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken").touch()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await supervise().run() is False
    assert "No worker stays alive" in caplog.text
    assert caplog.text.count("ended with status 3") >= 2 * module.MAX_FAILURES - 1


async def test_supervise__one_worker_killed__the_other_stays_and_a_new_one_comes(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(supervise) as task:
        first, second = serving_pids(caplog)
        os.kill(first, signal.SIGKILL)
        await wait_until_async(lambda: len(serving_pids(caplog)) == 3)
        os.kill(second, 0)
    assert task.result() is True
    for pid in serving_pids(caplog):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_restart__by_workers_that_do_not_start__ends_and_leaves_the_former_ones(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(supervise):
        before = serving_pids(caplog)
        (tmp_path / "broken").touch()
        os.kill(os.getpid(), signal.SIGHUP)
        await wait_until_async(lambda: "The restart ends here" in caplog.text)
        for pid in before:
            os.kill(pid, 0)
        (tmp_path / "broken").unlink()
        os.kill(os.getpid(), signal.SIGHUP)
        await wait_until_async(lambda: "Every worker was replaced" in caplog.text)
        for pid in before:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


async def test_stop__a_worker_that_does_not_end__is_killed_after_its_time(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "stubborn").touch()
    async with running(supervise):
        pass
    assert caplog.text.count("has not ended 1 s after SIGTERM") == 2


async def test_stop__asked_for_again__does_not_wait(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "stubborn").touch()
    async with running(supervise) as task:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await task is True
    assert "has not ended" not in caplog.text


async def test_start__as_long_as_a_worker_works__it_is_not_killed_however_slow_it_is(
    supervise: Callable[..., Supervisor],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 4.0)  # in which it works, however busy the machine is
    (tmp_path / "slow").touch()

    async def let_go() -> None:
        await wait_until_async(lambda: caplog.text.count("is slow to start") >= 4, timeout=LONG_SECONDS)
        (tmp_path / "slow").unlink()

    letting_go = asyncio.ensure_future(let_go())
    async with running(supervise):
        await letting_go
    assert "another one starts" not in caplog.text


async def test_start__a_worker_that_does_nothing__is_killed_and_its_successor_gets_twice_the_time(
    supervise: Callable[..., Supervisor],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 1.0)
    (tmp_path / "idle").touch()
    async with running(supervise):
        pass
    assert caplog.text.count("has done nothing for 1 s and does not serve, so it is killed") == 1
    place = module.Place(None)  # type: ignore[arg-type]
    place.failure_count = 1
    assert place.start_seconds() == 2.0
    place.failure_count = 99
    assert place.start_seconds() == module.MAX_START_SECONDS


async def test_supervise__a_worker_whose_loop_hangs__is_ended_and_replaced(
    supervise: Callable[..., Supervisor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(supervise, lost_seconds=5):
        first, second = serving_pids(caplog)
        (tmp_path / f"hanging{first}").touch()
        await wait_until_async(lambda: len(serving_pids(caplog)) == 3)
        os.kill(second, 0)
    assert f"(process {first}) has shown no sign of life for" in caplog.text
    assert f"(process {second}) has shown no sign" not in caplog.text
    assert re.search(rf"\(process {first}\) was ended by SIGABRT; another one starts", caplog.text)


async def test_supervise__a_worker_that_is_stopped__is_killed_although_it_cannot_answer(
    supervise: Callable[..., Supervisor], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(supervise, lost_seconds=5):
        first, _ = serving_pids(caplog)
        os.kill(first, signal.SIGSTOP)
        await wait_until_async(lambda: len(serving_pids(caplog)) == 3)
    assert re.search(rf"\(process {first}\) was ended by SIGKILL; another one starts", caplog.text)
