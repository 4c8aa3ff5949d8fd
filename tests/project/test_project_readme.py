"""The README's commands run as written, in a copy of the project that holds what git holds."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.processes import ROOT
from tests.helpers.streams import LiveStream
from tests.helpers.waiting import LONG_SECONDS, PATIENCE_SECONDS, wait_until

# On a busy machine each of the several commands takes its time.
pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]

README = (ROOT / "README.md").read_text()
COMMANDS = [
    re.sub(r"\\\n\s+", "", command).split("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.S)
    for command in re.findall(r"^\s*\$ ((?:.*\\\n)*.*)$", block, re.M)
]


def command(beginning: str) -> list[str]:
    """The README's only command that begins like this, as a shell would split it."""
    (found,) = [text for text in COMMANDS if text.startswith(beginning)]
    return shlex.split(found)


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A fresh checkout, but for the environment, which is there already."""
    folder = GuardedFolder("hub-readme-")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / name).write_bytes((ROOT / name).read_bytes())
            (folder.path / name).chmod((ROOT / name).stat().st_mode)
    (folder.path / ".venv").symlink_to((ROOT / ".venv").resolve())
    yield folder.path
    folder.remove()


def environment(**extra: str) -> dict[str, str]:
    """A newcomer's: nothing of the tests' own."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | extra


def start(project: Path, port: int) -> GuardedProcess:
    process = GuardedProcess(
        command("make run"),
        log=project / f"{uuid4()}.log",
        cwd=project,
        env=environment(PORT=str(port), PYTHONUNBUFFERED="1"),
    )
    wait_until(lambda: f"Serving at http://{HOST}:{port}" in process.output(), timeout=LONG_SECONDS)
    return process


def press_control_c(process: GuardedProcess) -> None:
    """A terminal sends it to make and to what make started."""
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE_SECONDS)


def log_in(base_url: str, name: str) -> str:
    """Log in as a browser does; returns the session's cookie."""
    with httpx.Client(
        base_url=base_url, follow_redirects=True, timeout=PATIENCE_SECONDS, trust_env=False
    ) as client:
        client.get("/login/")
        form = {"username": name, "password": name, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post("/login/", data=form, headers={"Referer": base_url}).url.path == "/"
        return client.cookies["sessionid"]


def test_make_run_send_and_restart__as_the_readme_says__miss_nothing(project: Path) -> None:
    port = free_port()
    url = f"http://{HOST}:{port}"
    with start(project, port) as hub:
        assert "ada / ada" in hub.output()
        cookie = log_in(url, "ada")
        with LiveStream(
            f"{url}/api/v1/notifications/stream", headers={"Cookie": f"sessionid={cookie}"}
        ) as stream:
            stream.expect("stream.live")
            send = ["env", *command("DEBUG=1 .venv/bin/python manage.py send_notification")]
            subprocess.run(
                send, cwd=project, env=environment(), check=True, capture_output=True, timeout=LONG_SECONDS
            )
            seen = stream.expect("notification.created")
        assert seen.json["notification"]["title"] == "Your order is on its way"
        press_control_c(hub)
    subprocess.run(
        send, cwd=project, env=environment(), check=True, capture_output=True, timeout=LONG_SECONDS
    )
    with start(project, port) as hub:
        assert "ada / ada" not in hub.output(), "the demo users are printed once"
        headers = {"Cookie": f"sessionid={cookie}", "Last-Event-ID": seen.last_event_id}
        with LiveStream(f"{url}/api/v1/notifications/stream", headers=headers) as stream:
            assert stream.expect("stream.open").json["resume"] == "exact"
            missed = stream.expect("notification.created")
        assert missed.json["position"] == seen.json["position"] + 1


def test_make_demo__plays_until_it_is_stopped(project: Path) -> None:
    subprocess.run(
        ["make", "base"],
        cwd=project,
        env=environment(),
        check=True,
        capture_output=True,
        timeout=LONG_SECONDS,
    )
    for arguments in (["migrate", "-v0"], ["create_demo_users"]):
        subprocess.run(
            [".venv/bin/python", "manage.py", *arguments], cwd=project, env=environment(DEBUG="1"),
            check=True, capture_output=True, timeout=LONG_SECONDS,
        )  # fmt: skip
    with GuardedProcess(
        ["make", "demo"], log=project / "demo.log", cwd=project, env=environment(PYTHONUNBUFFERED="1")
    ) as demo:
        wait_until(lambda: re.search(r"^\d\d:\d\d:\d\d  ", demo.output(), re.M), timeout=LONG_SECONDS)
        press_control_c(demo)
        assert "Stopped:" in demo.output()


def test_commands__all__are_known_to_these_tests() -> None:
    """A command that is added to the README needs a test here; curl's is the stream that the first test
    opens.
    """
    assert [text.split(" ")[0] + " " + text.split(" ")[1] for text in COMMANDS] == [
        "make run",
        "make test",
        "DEBUG=1 .venv/bin/python",
        "curl -N",
    ]
